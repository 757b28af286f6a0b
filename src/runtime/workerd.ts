// Cloudflare's workerd, in Workers and Durable Objects: one thread, no files, and no WebAssembly
// compiled once a request is there. (It has the names of much that it cannot do, so it is told by
// condition alone.)
import { UnsupportedError } from '../errors.ts';
import type { Runtime, SocketClass } from './runtime.ts';

const noWorkers =
  'workerd (Cloudflare Workers, Durable Objects) runs one thread and starts no workers';
const refuse = async (path: string): Promise<never> => {
  throw new UnsupportedError(
    `'${path}' is a file path, and workerd has no file system: pass bytes, a URL, or the Blob ` +
      `of an R2 object or of an asset`,
  );
};
const noWorker = (): never => {
  throw new UnsupportedError(`${noWorkers}: leave threads and pipeline at 1 or 'auto'`);
};

export const runtime: Runtime = {
  name: 'workerd',
  cores: 1,
  noWorkers,
  compilesEarly: true,
  compileAdvice:
    'workerd compiles WebAssembly from bytes only while a Worker starts, and from compatibility ' +
    'date 2025-06-01 on: ' +
    'set compatibility_date to that or later, and import recollect at the top of your module',
  startWorker: noWorker,
  startText: noWorker,
  openFile: refuse,
  writeFile: refuse,
  removeFile: refuse,
  socketClass: async () => WebSocket as unknown as SocketClass,
  gpu: async () => undefined,
  gpuAdvice: 'workerd has no WebGPU: run it where there is a GPU',
};
