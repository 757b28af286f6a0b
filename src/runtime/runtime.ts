// What recollect asks of the place it runs in. Each runtime implements it in a file of its own;
// package.json maps `#runtime` to one by condition, so that nothing is sniffed.

/** A file opened for reading at any offset. */
export interface RandomAccessFile {
  readonly sizeBytes: number;
  /**
   * Up to `length` bytes from `offset`; fewer only at the end of the file. The bytes are the
   * caller's until the next read, those in `into`, which has room for them, for good.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * What runs in a worker: a thread of a team (wasm/thread.ts), layers of a model
 * (pipeline/worker.ts), or, in browsers alone, a file (opfs/worker.ts).
 */
export type WorkerKind = 'thread' | 'layers' | 'file';

/** A worker, the same to its user everywhere. */
export interface RuntimeWorker {
  post(message: unknown, transfer?: readonly object[]): void;
  terminate(): void;
  /** Whether it keeps the process alive, where there is one. It begins with not. */
  hold(held: boolean): void;
}

export interface WorkerEvents {
  heard(message: unknown): void;
  /** It could not be started, failed, or ended. */
  stopped(why: string): void;
}

/**
 * A process: the machine (and what of it the process sees) that its number and start are unique in;
 * none is known where it is left out.
 */
export interface ProcessName {
  readonly place?: string;
  readonly pid: number;
  readonly start: string;
}

/** Folders that files of many processes lie in. All of it throws the platform's errors. */
export interface Folders {
  /** A path that stays the same when the working folder changes. */
  resolve(path: string): string;
  /**
   * Makes a file that is not there yet, to be written from the beginning on, and missing folders.
   */
  create(
    path: string,
  ): Promise<{ write(bytes: Uint8Array): Promise<void>; close(): Promise<void> }>;
  /**
   * Opens a file to be read at any offset into the caller's memory; fewer bytes only at its end.
   */
  open(path: string): Promise<{
    sizeBytes: number;
    read(at: number, into: Uint8Array): Promise<number>;
    close(): Promise<void>;
  }>;
  rename(from: string, to: string): Promise<void>;
  /** A second name of a file, which must not be there yet. */
  link(from: string, to: string): Promise<void>;
  /** No error where it is not there. */
  remove(path: string): Promise<void>;
  /** Names in a folder. */
  list(folder: string): Promise<string[]>;
  /** When a file was last changed, by the clock of the folder. */
  changedMs(path: string): Promise<number>;
  /** Makes it look changed now. */
  touch(path: string): Promise<void>;
  /** This process. */
  process(): Promise<ProcessName>;
  /** Whether a process of this one's place may still run. */
  runs(process: Pick<ProcessName, 'pid' | 'start'>): Promise<boolean>;
  /** Does something again and again, which keeps no process alive, until it is called off. */
  repeat(ms: number, work: () => void): () => void;
}

/** A file that a browser keeps for its site. Calls take effect in their order. */
export interface OriginFile {
  /** When it was opened. */
  readonly sizeBytes: number;
  /** Up to `length` bytes from `at`, fewer only at the end. They are the caller's. */
  read(at: number, length: number): Promise<Uint8Array>;
  /** Writes all of them, or throws. Their memory is given away. */
  write(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Waits until what was written is on the disk. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * One folder of files that a browser keeps for its site (the origin private file system). All of it
 * throws StoreError, which says what failed.
 */
export interface OriginFiles {
  list(): Promise<string[]>;
  /** A file's first bytes, and how many it has; undefined where there is none. */
  peek(
    name: string,
    length: number,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly sizeBytes: number } | undefined>;
  openToRead(name: string): Promise<Pick<OriginFile, 'sizeBytes' | 'read' | 'close'>>;
  /** Makes the file where there is none; one that is there keeps its bytes only if `keep`. */
  openToWrite(name: string, keep: boolean): Promise<OriginFile>;
  /** Whether there was one. */
  remove(name: string): Promise<boolean>;
  /**
   * Holds a name, against the site's other pages and workers, until the function that it gives is
   * called and done; undefined where one of them holds it.
   */
  lock(name: string, mode: 'shared' | 'exclusive'): Promise<(() => Promise<void>) | undefined>;
  /**
   * Bytes that the browser says it would still keep, which may be too many; undefined where it says
   * nothing.
   */
  roomBytes(): Promise<number | undefined>;
}

/** What of a WebSocket is used. */
export type Socket = Pick<WebSocket, 'send' | 'close' | 'binaryType'> & {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
};
/** Some take options that others do not know: the largest message, no compression. */
export type SocketClass = new (url: string, protocols: string[], options: object) => Socket;

export interface Runtime {
  readonly name: string;
  /** Cores that this process may use. */
  readonly cores: number;
  /** What relative URLs mean; undefined where a relative name is a path. */
  readonly baseUrl?: string;
  /** Why no worker can be had here: undefined where they can. */
  readonly noWorkers?: string;
  /** WebAssembly can be compiled only while the module is loaded. */
  readonly compilesEarly?: boolean;
  /** What to do where the compiler refuses bytes that are valid. */
  readonly compileAdvice: string;
  /** Starts a worker from its file. Throws where that is refused at once. */
  startWorker(kind: WorkerKind, events: WorkerEvents): RuntimeWorker;
  /**
   * Starts a worker from its text, a script without imports. Throws where that is refused at once.
   */
  startText(text: string, events: WorkerEvents): RuntimeWorker;
  /**
   * Opens a file, by path or file: URL. Throws the platform's error where it cannot,
   * UnsupportedError where there are no files.
   */
  openFile(path: string | URL): Promise<RandomAccessFile>;
  /**
   * Writes a file so that it is whole or not there: to a temporary name first, then renamed. Makes
   * missing folders.
   */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** Connections to a server. Throws UnsupportedError where there are none. */
  socketClass(): Promise<SocketClass>;
  /** Undefined where there are no files. */
  readonly folders?: Folders;
  /** WebGPU, where there is any; the same object each time. */
  gpu(): Promise<GPU | undefined>;
  /**
   * Files that a browser keeps for the site: undefined where the runtime is no browser. Throws
   * UnsupportedError where this one has none.
   */
  readonly originFiles?: () => Promise<OriginFiles>;
  /** What to do where there is none. */
  readonly gpuAdvice: string;
}
