// Pages and their workers: models come as URLs, Blobs or bytes, episodes stay in memory.
import { UnsupportedError } from '../errors.ts';
import type { Runtime, RuntimeWorker, SocketClass, WorkerEvents } from './runtime.ts';

const refuse = async (path: string | URL): Promise<never> => {
  throw new UnsupportedError(
    `'${path}' is a file path, and this runtime has no file system: pass a URL, a Blob or bytes`,
  );
};

export const runtime: Runtime = {
  name: 'web',
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  // a page's <base> counts; a worker's is where its script lies
  baseUrl: globalThis.document?.baseURI ?? globalThis.location?.href,
  noWorkers: typeof Worker === 'function' ? undefined : 'this scope cannot start workers',
  compileAdvice:
    "a Content Security Policy forbids WebAssembly here: add 'wasm-unsafe-eval' to its " +
    "script-src, for example script-src 'self' 'wasm-unsafe-eval'",
  // bundlers look for these very words: `new Worker(new URL('...', import.meta.url), { type:
  // 'module' })`
  startWorker: (kind, events) =>
    wrap(
      kind === 'thread'
        ? new Worker(new URL('../backend/wasm/thread.js', import.meta.url), { type: 'module' })
        : kind === 'file'
          ? new Worker(new URL('./opfs/worker.js', import.meta.url), { type: 'module' })
          : new Worker(new URL('../engine/pipeline/worker.js', import.meta.url), {
              type: 'module',
            }),
      events,
    ),
  startText(text, events) {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    // once it has said something, or failed, it has been fetched
    const revoke = () => URL.revokeObjectURL(url);
    try {
      return wrap(new Worker(url), {
        heard(message) {
          revoke();
          events.heard(message);
        },
        stopped(why) {
          revoke();
          events.stopped(why);
        },
      });
    } catch (error) {
      revoke();
      throw error;
    }
  },
  openFile: refuse,
  writeFile: refuse,
  removeFile: refuse,
  socketClass: async () => WebSocket as unknown as SocketClass,
  // not in pages that are no secure context
  gpu: async () => (navigator as { gpu?: GPU }).gpu,
  originFiles: async () => (await import('./opfs/files.ts')).openOriginFiles(),
  gpuAdvice: 'open the page over https: in a browser that has WebGPU switched on',
};

function wrap(worker: Worker, events: WorkerEvents): RuntimeWorker {
  worker.onmessage = ({ data }) => events.heard(data);
  worker.onmessageerror = () => events.stopped('a message to it could not be read');
  worker.onerror = (event) => {
    event.preventDefault?.();
    // a script that is missing, or forbidden by a policy, fails without a word
    events.stopped(event.message || 'its script could not be loaded');
  };
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as Transferable[]),
    terminate: () => worker.terminate(),
    hold() {},
  };
}
