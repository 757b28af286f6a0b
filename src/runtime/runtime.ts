// What recollect asks of the place it runs in. Each runtime implements it in a file of its own; package.json maps `#runtime` to one.

/** A file opened for reading at any offset. */
export interface RandomAccessFile {
  readonly sizeBytes: number;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. The bytes are the caller's until the next read. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  /** Cores that this process may use. */
  readonly cores: number;
  /** What relative URLs mean; undefined where a relative name is a path. */
  readonly baseUrl?: string;
  /** Opens a file, by path or file: URL. Throws the platform's error where it cannot, UnsupportedError where there are no files. */
  openFile(path: string | URL): Promise<RandomAccessFile>;
  /** Writes a file so that it is whole or not there: to a temporary name first, then renamed. Makes missing folders. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  removeFile(path: string): Promise<void>;
}
