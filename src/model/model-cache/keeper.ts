// Keeps a download while it comes: some MB at a time go to the file, and every now and then its
// head says how much is there. It fails silently, once and for good: the load goes on without it.
import type { OriginFile } from '../../runtime/runtime.ts';
import type { DownloadSink } from '../download/download.ts';
import { type Entry, HEAD_BYTES, slotOf } from './entry.ts';

/** What is written at once. Two such pieces are held: one fills while the other is written. */
const PIECE_BYTES = 4 << 20;
/** What a killed page loses at most, beside two pieces: a flush waits for the disk. */
const SAVE_BYTES = 16 << 20;

export class Keeper implements DownloadSink {
  #file: OriginFile;
  /** What the file's head says. */
  #entry: Entry;
  /** Bytes of the model that lie in the file. */
  #written: number;
  #piece?: Uint8Array<ArrayBuffer>;
  #filled = 0;
  /** Offset in the model behind the last byte that came. */
  end: number;
  /** The write that is under way; it never rejects. */
  #writing: Promise<void> = Promise.resolve();
  /** Why it stopped. */
  failure?: string;

  /** `entry`: what is there; its bytes come next. The file is not closed here. */
  constructor(file: OriginFile, entry: Entry) {
    this.#file = file;
    this.#entry = entry;
    this.#written = entry.bytes;
    this.end = entry.bytes;
  }

  get entry(): Entry {
    return this.#entry;
  }

  /** Writes the head, so that the file is known for what it is from its beginning. */
  begin(): Promise<void> {
    return this.#try(() => this.#save());
  }

  /** Goes on with the same file, which was closed and opened again. */
  goOn(file: OriginFile): void {
    this.#file = file;
  }

  async add(bytes: Uint8Array): Promise<void> {
    this.end += bytes.length;
    for (let at = 0; at < bytes.length && this.failure === undefined;) {
      const count = Math.min(PIECE_BYTES - this.#filled, bytes.length - at);
      this.#piece ??= new Uint8Array(PIECE_BYTES);
      this.#piece.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === PIECE_BYTES) await this.#next();
    }
  }

  /** Writes what is left. More may come. */
  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#next();
    await this.#writing;
    if (this.#written > this.#entry.bytes) await this.#try(() => this.#save());
  }

  /** Waits for the write before, and begins that of the piece. */
  async #next(): Promise<void> {
    await this.#writing;
    const piece = this.#piece!.subarray(0, this.#filled);
    this.#piece = undefined;
    this.#filled = 0;
    this.#writing = this.#try(async () => {
      const { length } = piece;
      await this.#file.write(HEAD_BYTES + this.#written, piece);
      this.#written += length;
      if (this.#written - this.#entry.bytes >= SAVE_BYTES) await this.#save();
    });
  }

  async #save(): Promise<void> {
    const { number } = this.#entry;
    const entry = {
      ...this.#entry,
      bytes: this.#written,
      savedAt: Date.now(),
      number: number + 1,
    };
    const slot = slotOf(entry);
    if (!slot) throw new Error('its URL is too long');
    // the head must not be on the disk before what it speaks of
    await this.#file.flush();
    await this.#file.write(slot.at, slot.bytes);
    await this.#file.flush();
    this.#entry = entry;
  }

  async #try(work: () => Promise<void>): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      await work();
    } catch (error) {
      this.failure = (error as Error).message;
    }
  }
}
