// A file of OPFS as a page has it: a worker of its own holds the handle, and bytes go to and fro
// with their memory, uncopied.
import { errorOf, type Failure, StoreError } from '../../errors.ts';
import type { OriginFile, RuntimeWorker } from '../runtime.ts';
import { startWorker } from '../start-worker.ts';
import type { FileUse } from './sync-file.ts';

const NO_WORKER = "no worker runs, which alone may write the browser's files: let workers start";

export type FileRequest =
  | { readonly do: 'open'; readonly name: string; readonly use: FileUse }
  | { readonly do: 'read'; readonly at: number; readonly length: number }
  | { readonly do: 'write'; readonly at: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly do: 'flush' | 'close' };

export interface FileAnswer {
  readonly sizeBytes?: number;
  readonly bytes?: Uint8Array;
  readonly failure?: Failure;
}

export async function openWorkerFile(name: string, use: FileUse): Promise<OriginFile> {
  const line = new Line();
  try {
    const { sizeBytes = 0 } = await line.ask({ do: 'open', name, use });
    return {
      sizeBytes,
      read: async (at, length) =>
        (await line.ask({ do: 'read', at, length })).bytes ?? new Uint8Array(),
      write: async (at, bytes) => void (await line.ask({ do: 'write', at, bytes }, [bytes.buffer])),
      flush: async () => void (await line.ask({ do: 'flush' })),
      async close() {
        await line.ask({ do: 'close' }).finally(() => line.end());
      },
    };
  } catch (error) {
    line.end();
    throw error;
  }
}

/** Requests to a worker, which answers them in order. */
class Line {
  readonly #worker: RuntimeWorker;
  #waiting: { resolve(answer: FileAnswer): void; reject(error: Error): void }[] = [];
  #ended?: Error;

  constructor() {
    this.#worker = startWorker('file', async () => (await import('#workers/file.text')).default, {
      heard: (message) => this.#heard(message as FileAnswer),
      stopped: (why) => this.#stopped(new StoreError(`${NO_WORKER} (${why})`)),
    });
  }

  ask(request: FileRequest, transfer: readonly object[] = []): Promise<FileAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#waiting.push({ resolve, reject });
      this.#worker.post(request, transfer);
    });
  }

  end(): void {
    this.#worker.terminate();
  }

  #heard(answer: FileAnswer): void {
    const asked = this.#waiting.shift();
    if (answer.failure) asked?.reject(errorOf(answer.failure));
    else asked?.resolve(answer);
  }

  #stopped(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
