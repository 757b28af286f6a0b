// A model whose features are tried: its file, a text with its tokens, and what runs of them give.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { LoadOptions } from '../../src/engine/load-options.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { type Plan, planRun } from '../../src/engine/plan.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import type { ConversationOptions } from '../../src/session/options.ts';
import { readOptions } from '../../src/session/settings.ts';

/** Shorter than the text, so that positions become compact on the way where they may. */
const CONTEXT = 256;
export const BLOCK = 12;
/** Tokens of the text that go through, rows that are kept of them, and more than all. */
const TOKENS = 48;
const FEW = 20;
export const PLENTY = 4096;

/** Options of conversations that have to evict. */
export const conversing: ConversationOptions = { budget: FEW, blockSize: BLOCK };

/** What a run of a text gave: tokens that each head of a layer kept, log-odds behind the end. */
export interface Ran {
  readonly plan: Plan;
  readonly kept: ReadonlyMap<number, readonly (readonly number[])[]>;
  readonly logits: Float32Array;
}

export type RunOptions = Partial<ConversationOptions>;

export class Subject {
  readonly file: string;
  readonly name: string;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly #models = new Map<string, Promise<Model>>();

  /** `file` has figures beside it: NAME.f64.json, or NAME.json. */
  constructor(file: string, figures: string) {
    this.file = file;
    this.name = basename(file, '.gguf');
    const { text, tokens } = JSON.parse(readFileSync(figures, 'utf8')) as Subject;
    [this.text, this.tokens] = [text, tokens.slice(0, TOKENS)];
  }

  /** The model, loaded once for all that want it alike. */
  model(how: LoadOptions = {}): Promise<Model> {
    // (with 8 bits quantised weights give other numbers than the reference)
    const plain = { device: 'wasm', threads: 1, pipeline: 1, activations: 'int16' } as const;
    const options: LoadOptions = { ...plain, ...how };
    const key = JSON.stringify(how);
    const loaded =
      this.#models.get(key) ?? loadModel(this.file, { contextLength: CONTEXT, ...options });
    this.#models.set(key, loaded);
    return loaded;
  }

  /** Some lines of the text, as many as are said one after the other. */
  get lines(): string[] {
    return `${this.text}\n`.match(/.{1,40}/gs)!.map((line) => `${line.trim()}\n`);
  }

  async dispose(): Promise<void> {
    for (const model of this.#models.values())
      await model.then(
        (loaded) => loaded.dispose(),
        () => {},
      );
  }
}

/** A plan as openConversation() makes it: few rows of f32, small blocks, short patched prompts. */
export const planned = (model: Model, change: RunOptions) =>
  planRun(
    model.executor,
    readOptions({ ...conversing, cacheType: 'f32', promptTokens: 8, ...change }, model).plan,
  );

/** Uses a run, and gives it back. */
export async function withRun<T>(
  model: Model,
  options: RunOptions,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const run = new Run(model.executor, planned(model, options));
  try {
    return await use(run);
  } finally {
    run.dispose();
  }
}

/** Tokens that are appended behind the others, whose log-odds are read. */
export const LAST = 4;

/** The same of everything that was said: what a run is to say that evicts nothing. */
const plain = new WeakMap<Subject, Promise<Ran>>();
export function plainRunOf(subject: Subject): Promise<Ran> {
  const found =
    plain.get(subject) ??
    subject
      .model()
      .then((model) => runOf(model, subject.tokens, { budget: PLENTY, policy: 'full' }));
  plain.set(subject, found);
  return found;
}

/** Prefills tokens, and reads what the last ones say. */
export const runOf = (
  model: Model,
  tokens: readonly number[],
  options: RunOptions = {},
): Promise<Ran> =>
  withRun(model, options, async (run) => {
    const kept = new Map<number, number[][]>();
    run.layers.onKept = (layer, heads) =>
      void kept.set(
        layer,
        heads.map((head) => [...head]),
      );
    await prefill(run, tokens.slice(0, -LAST));
    await run.append(tokens.slice(-LAST));
    return { plan: run.plan, kept, logits: await run.logits(LAST - 1) };
  });
