// Rotary positions of a conversation: those of its tokens until the context length is reached (or
// always). From then on rows are turned at each eviction, so that they end at one position, and new
// tokens go on behind it.
import { isQuantized } from '../backend/dtype.ts';
import { ORIGINAL } from './block.ts';
import type { Plan } from './plan.ts';

export class Positions {
  readonly #plan: Plan;
  /**
   * Positions stay below it. A policy that evicts nothing has no limit (unless positions are
   * 'original'): the rotation extrapolates then, at the user's risk, as in llama.cpp.
   */
  readonly limit: number;
  /** Position that the next token had when rows were last made compact; ORIGINAL before that. */
  #base: number;
  /** Number of the next token when they were last made compact. */
  #rebasedAt = 0;

  constructor(plan: Plan, contextLength: number) {
    this.#plan = plan;
    this.limit =
      plan.policy.evicts || plan.positions === 'original'
        ? contextLength
        : Number.POSITIVE_INFINITY;
    this.#base = this.first;
  }

  get base(): number {
    return this.#base;
  }

  get rebasedAt(): number {
    return this.#rebasedAt;
  }

  /** The base of a conversation that begins. */
  get first(): number {
    return this.#plan.positions === 'compact' ? 0 : ORIGINAL;
  }

  get areCompact(): boolean {
    return this.#base !== ORIGINAL;
  }

  /**
   * Whether every eviction makes positions contiguous again: since the context length was first
   * reached, but not where turning a key rounds it again. Those rows wait until it is reached once
   * more.
   */
  get recompacts(): boolean {
    return this.areCompact && !isQuantized(this.#plan.shape.rowType);
  }

  /** Position of token number `token`. */
  of(token: number): number {
    return this.areCompact ? this.#base + token - this.#rebasedAt : token;
  }

  /** Goes on from where positions stood. */
  stand({ base, rebasedAt }: { readonly base: number; readonly rebasedAt: number }): void {
    this.#base = base;
    this.#rebasedAt = rebasedAt;
  }

  /** Rows were turned to end at plan.compactBase, `token` being the number of the next token. */
  compacted(token: number): void {
    this.stand({ base: this.#plan.compactBase, rebasedAt: token });
  }

  /** Tokens from number `token` on were taken back: compact rows end at the base, or before it. */
  takenBack(token: number): void {
    this.#rebasedAt = Math.min(this.#rebasedAt, token);
  }
}
