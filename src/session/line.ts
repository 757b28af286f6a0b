// Who has the conversation: one call at a time, the others wait in line, first come, first served.
// A reply that somebody waits behind is made to its end, whether its reader goes on taking pieces
// or waits for that very call.
import { OptionError } from '../errors.ts';

export interface LineOptions {
  readonly signal?: AbortSignal;
  /**
   * Whether the call waits where another one has the conversation; false refuses it then. Default
   * true.
   */
  readonly queue?: boolean;
}

interface Place {
  /** Asks the call to come to its end by itself. */
  readonly hurry?: () => void;
  enter(): void;
  refuse(reason: unknown): void;
}

export class Line {
  #holder?: Pick<Place, 'hurry'>;
  #waiting: Place[] = [];

  /**
   * Waits for the calls before, then has the conversation until what it resolves to is called.
   * Rejects with OptionError where it may not wait, and with the signal's reason.
   */
  async enter({ signal, queue = true }: LineOptions, hurry?: () => void): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#holder) {
      if (!queue)
        throw new OptionError(
          'the conversation is busy with another call: await or end that one first, or wait in ' +
            'line with queue: true',
        );
      this.#holder.hurry?.();
      await new Promise<void>((resolve, reject) => {
        const place: Place = { hurry, enter: resolve, refuse: reject };
        const aborted = () => {
          this.#waiting = this.#waiting.filter((p) => p !== place);
          reject(signal!.reason);
        };
        signal?.addEventListener('abort', aborted, { once: true });
        place.enter = () => {
          signal?.removeEventListener('abort', aborted);
          resolve();
        };
        this.#waiting.push(place);
      });
    } else this.#holder = { hurry };
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#next();
    };
  }

  /** Refuses whoever waits. */
  close(reason: unknown): void {
    for (const place of this.#waiting.splice(0)) place.refuse(reason);
  }

  #next(): void {
    const place = this.#waiting.shift();
    this.#holder = place;
    place?.enter();
    if (this.#waiting.length > 0) place?.hurry?.();
  }
}
