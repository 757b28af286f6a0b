// What a conversation counts and times: tokens, blocks and milliseconds of prefill and decode, and
// the most that was stored. It watches work; it does none.
import type { PrefillOptions } from '../engine/prefill.ts';
import type { Run } from '../engine/run.ts';
import type { Episodes } from '../episode/episodes.ts';
import type { EpisodeStore } from '../episode/store.ts';
import type { AddOptions } from './ask-options.ts';

export class Meter {
  readonly counts = {
    prefillTokens: 0,
    prefillMs: 0,
    decodeTokens: 0,
    decodeMs: 0,
    firstTokenMs: 0,
    blocks: 0,
  };
  /** Most bytes that were stored in memory after some work. */
  peakStoredBytes = 0;
  readonly #run: Run;
  readonly #store: EpisodeStore;
  readonly #episodes: Episodes | undefined;

  constructor(run: Run, store: EpisodeStore, episodes: Episodes | undefined) {
    this.#run = run;
    this.#store = store;
    this.#episodes = episodes;
  }

  /** Options of a prefill that is counted, and that tells the caller how far it has come. */
  watch({ signal, onProgress }: AddOptions): PrefillOptions {
    let before = 0;
    return {
      signal,
      onBlock: (progress) => {
        this.counts.blocks++;
        // a prefill that begins counts from nothing again
        this.counts.prefillTokens +=
          progress.doneTokens - (progress.doneTokens > before ? before : 0);
        before = progress.doneTokens;
        onProgress?.({
          ...progress,
          seenTokens: this.#run.token,
          episode: progress.episode ?? 0,
          episodes: this.#episodes?.episodes.length ?? 1,
        });
      },
    };
  }

  /** Does work whose time counts as prefill. */
  async timed<T>(work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    try {
      return await work();
    } finally {
      this.counts.prefillMs += performance.now() - begin;
      this.peakStoredBytes = Math.max(this.peakStoredBytes, this.#store.memoryBytes);
    }
  }
}
