// Node, Deno and Bun: files through node:fs, workers through web-worker in Node. Where the platform
// has a Worker of its own (Deno, Bun) web-worker hands that out, which cannot be told not to keep
// the process alive: there, and for text, they come from node:worker_threads.
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { isMainThread, Worker } from 'node:worker_threads';
import type WebWorker from 'web-worker';
import { createFolders } from './folders.ts';
import { UnsupportedError } from '../errors.ts';
import type { Runtime, RuntimeWorker, SocketClass, WorkerEvents } from './runtime.ts';

let temporaries = 0;

/** Gives a thread the scope that a web worker has. A port keeps messages until somebody listens. */
const SCOPE = `
const { parentPort } = require('node:worker_threads');
Object.assign(globalThis, {
  postMessage: (message, transfer) => parentPort.postMessage(message, transfer),
  addEventListener: (type, listener) => parentPort.on(type, (data) => listener({ data })),
  close: () => process.exit(),
});
`;

export const runtime: Runtime = {
  name: 'node',
  cores: availableParallelism(),
  compileAdvice:
    'this process may not compile WebAssembly (was node started with --jitless?): allow it',
  startWorker(kind, events) {
    const url =
      kind === 'thread'
        ? new URL('../backend/wasm/thread.js', import.meta.url)
        : new URL('../engine/pipeline/worker.js', import.meta.url);
    if (isMainThread && typeof globalThis.Worker !== 'function' && existsSync(url))
      return startWebWorker(url, events);
    return startThread(`${SCOPE}import(${JSON.stringify(url.href)})`, events);
  },
  startText: (text, events) => startThread(SCOPE + text, events),
  async openFile(path) {
    const found = await stat(path);
    if (found.isDirectory())
      throw Object.assign(new Error(`${path} is a folder`), { code: 'EISDIR' });
    // opening a pipe would wait for a writer, and it cannot be read at an offset
    if (!found.isFile())
      throw Object.assign(new Error(`${path} is no regular file`), { code: 'ESPIPE' });
    const handle = await open(path, 'r');
    let buffer = new Uint8Array(0);
    try {
      const { size } = await handle.stat();
      return {
        sizeBytes: size,
        async read(offset, length, into) {
          if (!into && buffer.length < length) buffer = new Uint8Array(length);
          const target = into ?? buffer;
          let filled = 0;
          while (filled < length) {
            const { bytesRead } = await handle.read(
              target,
              filled,
              length - filled,
              offset + filled,
            );
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
          return target.subarray(0, filled);
        },
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
  async writeFile(path, bytes) {
    await makeFolder(dirname(path));
    const temporary = `${path}.${process.pid}.${temporaries++}.tmp`;
    try {
      await writeFile(temporary, bytes);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
  removeFile: (path) => rm(path, { force: true }),
  socketClass,
  folders: createFolders(makeFolder),
  gpu: () => (found ??= findGpu()),
  gpuAdvice:
    "in Node and Bun install the package that brings WebGPU ('npm install webgpu'), and a driver " +
    'for the GPU (Vulkan on Linux)',
};

/**
 * Makes a folder and those above it. mkdir's own `recursive` never returns where a parent cannot be
 * made (below /proc, for one).
 */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return; // a file in its place shows when something is written below
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== 'EEXIST') throw again;
    });
  }
}

/** Dawn's devices end with a fault once nobody holds what they came from: it is held for good. */
let found: Promise<GPU | undefined> | undefined;

/** Deno has WebGPU of its own; Node and Bun where the optional package 'webgpu' is installed. */
async function findGpu(): Promise<GPU | undefined> {
  const own = (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (own) return own;
  try {
    const { create } = await import('webgpu');
    return create([]);
  } catch {
    return undefined;
  }
}

/** Node 20 has no WebSocket of its own, and later ones' take messages of any size. */
async function socketClass(): Promise<SocketClass> {
  try {
    const { default: found } = await import('crossws/websocket');
    return found as unknown as SocketClass;
  } catch (cause) {
    if ('WebSocket' in globalThis) return globalThis.WebSocket as unknown as SocketClass;
    throw new UnsupportedError(
      `there is no WebSocket here, and the optional package 'crossws' is not installed: run ` +
        `'npm install crossws'`,
      { cause },
    );
  }
}

/** Where web-worker keeps the thread behind a worker. */
const nodeThread = Symbol.for('worker');

/**
 * web-worker (1.5.0) starts the file that it lies in itself, and fails while it is imported in a
 * thread that was given no data. So it is not imported, where a bundler would put it into the
 * user's own program, but required when a worker is started from a file that is there.
 */
function startWebWorker(url: URL, events: WorkerEvents): RuntimeWorker {
  const Started = createRequire(import.meta.url)('web-worker') as typeof WebWorker;
  const worker = new Started(url, { type: 'module' });
  const thread = (worker as unknown as Record<symbol, Worker>)[nodeThread];
  thread.unref();
  worker.onmessage = ({ data }: MessageEvent) => events.heard(data);
  worker.onerror = ({ message }: ErrorEvent) => events.stopped(message);
  Object.assign(worker, { onclose: () => events.stopped('it ended') });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as Transferable[]),
    terminate: () => worker.terminate(),
    hold: (held) => (held ? thread.ref() : thread.unref()),
  };
}

function startThread(text: string, events: WorkerEvents): RuntimeWorker {
  const thread = new Worker(text, { eval: true });
  thread.unref();
  thread.on('message', events.heard);
  thread.on('error', (error) => events.stopped(error?.message ?? String(error)));
  thread.on('exit', () => events.stopped('it ended'));
  return {
    post: (message, transfer = []) => thread.postMessage(message, transfer as []),
    terminate: () => void thread.terminate(),
    hold: (held) => (held ? thread.ref() : thread.unref()),
  };
}
