// What a question needs and the cache has lost, forwarded again before it, into the rows reserved
// for that. What is chosen, and why, is in episode/recall.ts.
import { heldShares } from '../engine/held.ts';
import type { Run } from '../engine/run.ts';
import { recall } from '../episode/recall.ts';
import type { SegmentIndex } from '../episode/segment-index.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { Talk } from './talk.ts';

export class Recollection {
  /** Tokens that the last question recalled, while they are in the cache. */
  tokens = 0;
  readonly #run: Run;
  readonly #talk: Talk;
  readonly #tokenizer: Tokenizer;
  readonly #turns: SegmentIndex | undefined;

  /** `turns`: what is chosen from; undefined where no rows are reserved. */
  constructor(run: Run, talk: Talk, tokenizer: Tokenizer, turns: SegmentIndex | undefined) {
    this.#run = run;
    this.#talk = talk;
    this.#tokenizer = tokenizer;
    this.#turns = turns;
  }

  async recall(question: string): Promise<void> {
    this.tokens = 0;
    const run = this.#run;
    const { recallRows, blockSize } = run.plan;
    if (recallRows === 0) return;
    const tokenizer = this.#tokenizer;
    const encode = (text: string) => tokenizer.encode(text);
    const [opening, closing] = this.#talk.framing.around().map(encode);
    // the conversation has begun already
    const frame = [
      opening[0] === tokenizer.bosToken ? opening.slice(1) : opening,
      closing,
    ] as const;
    const { tokens } = await recall(
      question,
      recallRows,
      this.#turns!,
      this.#talk.history!,
      (spans) => heldShares(run, spans),
      encode,
      frame,
    );
    for (let at = 0; at < tokens.length; at += blockSize)
      await run.append(tokens.slice(at, at + blockSize));
    this.tokens = tokens.length;
  }
}
