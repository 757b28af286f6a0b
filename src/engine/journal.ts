// What was asked of a conversation's layers since they were empty, or put back from a store: enough
// to bring other layers to where they stand. Of what was taken back and left no trace nothing is
// kept, so that it grows with the conversation and not with the questions.
import type { Place } from '../backend/cache.ts';
import { isGrouped, type RowType } from '../backend/dtype.ts';
import type { Mark } from '../backend/state.ts';
import type { Again } from '../cache/stored.ts';
import type { Step } from './block.ts';
import type { Layers } from './executor.ts';

/** Something that changed the layers. */
export type Change =
  | {
      readonly kind: 'step';
      readonly tokens: Int32Array;
      readonly prompt: Int32Array | undefined;
      readonly step: Step;
    }
  | { readonly kind: 'append'; readonly tokens: Int32Array; readonly place: Place }
  | { readonly kind: 'mark'; readonly mark: Mark }
  | { readonly kind: 'rewind'; readonly mark: Mark }
  | { readonly kind: 'clear' }
  /** One stored state was put back, or the union of two. */
  | {
      readonly kind: 'restore';
      readonly token: number;
      readonly from: readonly Again[];
      readonly recent: number;
    };

export const appended = (tokens: readonly number[], place: Place): Change => ({
  kind: 'append',
  tokens: Int32Array.from(tokens),
  place,
});

export const stepped = (
  block: readonly number[],
  prompt: readonly number[] | undefined,
  step: Step,
): Change => ({
  kind: 'step',
  tokens: Int32Array.from(block),
  prompt: prompt && Int32Array.from(prompt),
  step,
});

/** Bytes of a change beside its tokens, or so. */
const CHANGE_BYTES = 128;

export class Journal {
  readonly #blockSize: number;
  readonly #leavesTraces: boolean;
  #changes: Change[] = [];

  /** Rows that share grids are rounded when others come, and stay so when those are taken back. */
  constructor(blockSize: number, rowType: RowType) {
    this.#blockSize = blockSize;
    this.#leavesTraces = isGrouped(rowType);
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  get bytes(): number {
    let sum = 0;
    let before: Int32Array | undefined;
    for (const change of this.#changes) {
      sum += CHANGE_BYTES;
      if ('tokens' in change) sum += change.tokens.byteLength;
      if (change.kind !== 'step' || !change.prompt) continue;
      if (change.prompt !== before) sum += change.prompt.byteLength;
      before = change.prompt;
    }
    return sum;
  }

  /** Something was done; so was all that was asked for before it. */
  add(change: Change): void {
    if (change.kind === 'clear') this.#changes = [];
    else if (change.kind === 'restore') this.#changes = [change];
    else if (change.kind === 'rewind') this.#rewind(change);
    else {
      this.#joinLast();
      this.#changes.push(change.kind === 'step' ? this.#sharingPrompt(change) : change);
    }
  }

  /** Tokens that were appended one by one are as good as appended together. */
  #joinLast(): void {
    const [a, b] = this.#changes.slice(-2);
    if (a?.kind !== 'append' || b?.kind !== 'append') return;
    const count = a.tokens.length;
    const { token, position } = a.place;
    if (token + count !== b.place.token || position + count !== b.place.position) return;
    if (count + b.tokens.length > this.#blockSize) return;
    const tokens = new Int32Array(count + b.tokens.length);
    tokens.set(a.tokens);
    tokens.set(b.tokens, count);
    this.#changes.splice(-2, 2, { ...a, tokens });
  }

  /** An episode has the same prompt for all its blocks. */
  #sharingPrompt(change: Change & { kind: 'step' }): Change {
    const { prompt } = change;
    const before = this.#changes.findLast((each) => each.kind === 'step');
    const same =
      before?.kind === 'step' &&
      before.prompt?.length === prompt?.length &&
      before.prompt?.every((id, i) => id === prompt![i]);
    return same ? { ...change, prompt: before.prompt } : change;
  }

  #rewind(change: Change & { kind: 'rewind' }): void {
    const { token, slot } = change.mark;
    if (slot !== undefined) this.#rewindTo(change);
    else this.#rewindRows(change, token);
  }

  #rewindRows(change: Change & { kind: 'rewind' }, token: number): void {
    if (!this.#leavesTraces)
      for (let last = this.#changes.at(-1); last?.kind === 'append'; last = this.#changes.at(-1)) {
        const stay = token - last.place.token;
        if (stay >= last.tokens.length) break;
        this.#changes.pop();
        if (stay > 0) this.#changes.push({ ...last, tokens: last.tokens.slice(0, stay) });
      }
    if (this.#end !== token) this.#changes.push(change);
  }

  /** Back to a copy: what was only appended, and marked, since it was made, left no trace. */
  #rewindTo(change: Change & { kind: 'rewind' }): void {
    const { token, slot } = change.mark;
    const at = this.#changes.findLastIndex(
      (each) => each.kind === 'mark' && each.mark.slot === slot && each.mark.token === token,
    );
    const since = this.#changes.slice(at + 1);
    const isPlain = at >= 0 && since.every(({ kind }) => kind === 'append' || kind === 'mark');
    if (isPlain && !this.#leavesTraces) this.#changes.splice(at + 1);
    else this.#changes.push(change);
  }

  /** Number of the token that comes next. */
  get #end(): number {
    const last = this.#changes.at(-1);
    switch (last?.kind) {
      case 'step':
        return last.step.token + last.tokens.length;
      case 'append':
        return last.place.token + last.tokens.length;
      case 'mark':
      case 'rewind':
        return last.mark.token;
      case 'restore':
        return last.token;
      default:
        return 0;
    }
  }
}

/** Does a change again, on other layers. Rejects with LostError where a stored state is gone. */
export async function redo(change: Change, layers: Layers): Promise<void> {
  layers.onKept = undefined;
  switch (change.kind) {
    case 'step': {
      const { tokens, prompt, step } = change;
      return layers.step(Array.from(tokens), prompt && Array.from(prompt), step);
    }
    case 'append':
      return layers.append(Array.from(change.tokens), change.place);
    case 'mark':
      return layers.mark(change.mark);
    case 'rewind':
      return void (await layers.rewind(change.mark));
    case 'clear':
      return layers.clear();
    case 'restore': {
      const [first, second] = change.from;
      const { snapshots } = layers;
      await first(async (a) =>
        second ? second((b) => snapshots.restoreUnion(a, b, change.recent)) : snapshots.restore(a),
      );
    }
  }
}
