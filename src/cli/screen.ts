// Where line editing draws.
import { Writable } from 'node:stream';

/** The terminal, but not while a reply is written there. */
export class Screen extends Writable {
  muted = false;

  constructor() {
    super({ decodeStrings: false });
    const resized = () => this.emit('resize');
    process.stdout.on('resize', resized);
    this.once('close', () => process.stdout.off('resize', resized));
  }

  get columns(): number {
    return process.stdout.columns;
  }

  get rows(): number {
    return process.stdout.rows;
  }

  override _write(text: string, _: BufferEncoding, done: (error?: Error) => void): void {
    if (!this.muted) process.stdout.write(text);
    done();
  }
}
