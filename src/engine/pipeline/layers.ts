// A conversation's rows in the layers of all workers: what `Run` asks for, as commands that go through them, and their answers as one.
import type { Standing } from '../../cache/snapshot.ts';
import { closedError, type Layers } from '../executor.ts';
import { PART_BYTES } from '../plan.ts';
import type { OnKept, Place, Restored, Span, Step } from '../stage.ts';
import type { Done, Task } from './messages.ts';

/** The way to the workers: their answers to a task, first to last. */
export interface Line {
  ask(task: Task): Promise<unknown[]>;
  close(): void;
}

/** A conversation's rows in the layers of all workers. */
export class PipelineLayers implements Layers {
  onKept?: OnKept;
  readonly #line: Line;
  readonly #bytes: { now: number; peak: number }[];
  #failure?: Error;

  constructor(stages: number, line: Line) {
    this.#line = line;
    this.#bytes = Array.from({ length: stages }, () => ({ now: 0, peak: 0 }));
  }

  get cacheBytes(): number {
    return this.#bytes.reduce((sum, { now }) => sum + now, 0);
  }

  get peakCacheBytes(): number {
    return this.#bytes.reduce((sum, { peak }) => sum + peak, 0);
  }

  /** For the executor: what a worker answered. */
  hear({ stage, cacheBytes, peakCacheBytes, kept = [] }: Done): void {
    this.#bytes[stage] = { now: cacheBytes, peak: peakCacheBytes };
    for (const { layer, tokens } of kept) this.onKept?.(layer, tokens);
  }

  /** For the executor: every operation from now on rejects. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  async step(block: readonly number[], prompt: readonly number[] | undefined, step: Step): Promise<void> {
    await this.#ask({ kind: 'step', block, prompt, step, reports: this.onKept !== undefined });
  }

  async extend(tokens: readonly number[], place: Place): Promise<void> {
    await this.#ask({ kind: 'extend', tokens, place });
  }

  async logits<T>(t: number, read: (logits: Float32Array) => T): Promise<T> {
    const [logits] = await this.#ask({ kind: 'logits', t });
    return read(logits as Float32Array);
  }

  async truncateFrom(token: number): Promise<readonly number[]> {
    return ((await this.#ask({ kind: 'truncateFrom', token })) as number[][]).flat();
  }

  async clear(): Promise<void> {
    await this.#ask({ kind: 'clear' });
  }

  async save(standing: Standing): Promise<Uint8Array<ArrayBuffer>> {
    return joinParts((await this.#ask({ kind: 'save', standing })) as Uint8Array[]);
  }

  async restore(bytes: Uint8Array, name: string): Promise<Restored> {
    return together(await this.#ask({ kind: 'restore', parts: splitParts(bytes), name }))!;
  }

  async restoreUnion(first: Uint8Array, second: Uint8Array, name: string, recent: number): Promise<Restored | undefined> {
    return together(await this.#ask({ kind: 'union', first: splitParts(first), second: splitParts(second), name, recent }));
  }

  async held(spans: readonly Span[]): Promise<number[]> {
    const counts = (await this.#ask({ kind: 'held', spans })) as number[][];
    return spans.map((_, i) => counts.reduce((sum, own) => sum + own[i], 0));
  }

  dispose(): void {
    this.fail(closedError());
    this.#line.close();
  }

  async #ask(task: Task): Promise<unknown[]> {
    if (this.#failure) throw this.#failure;
    try {
      return await this.#line.ask(task);
    } catch (error) {
      // rows are no longer what they are taken for
      if (task.kind === 'step' || task.kind === 'extend') this.fail(error as Error);
      throw this.#failure ?? error;
    }
  }
}

/** What the stages restored, as one. */
function together(answers: unknown[]): Restored | undefined {
  const stages = answers as (Restored | undefined)[];
  const [first] = stages;
  return first && { ...first, rows: stages.flatMap((s) => s!.rows) };
}

/** Parts one behind the other, each with its length before it: f64, PART_BYTES. */
function joinParts(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + PART_BYTES + part.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setFloat64(at, part.length, true);
    out.set(part, at + PART_BYTES);
    at += PART_BYTES + part.length;
  }
  return out;
}

/** The parts again. What is damaged is cut at the bytes' end, and each stage refuses a part that is not whole. */
function splitParts(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  for (let at = 0; at + PART_BYTES <= bytes.length;) {
    const length = view.getFloat64(at, true);
    const end = Math.min(bytes.length, at + PART_BYTES + (Math.trunc(Math.max(0, length)) || 0));
    parts.push(bytes.slice(at + PART_BYTES, end));
    at = end;
  }
  return parts;
}
