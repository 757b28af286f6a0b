// Layer sensitivity: how much a layer's keys change when attention is cut to blocks. Measured once
// for each model (docs/algorithms.md, 'Layer sensitivity').
import { abortSignal, callback, filledText, knownNames, namesOf, optional } from '../arguments.ts';
import type { Cache } from '../backend/cache.ts';
import { layerShape, layerShapes } from '../backend/cache-shape.ts';
import { FixedState } from '../backend/fixed-state.ts';
import type { Address } from '../backend/tensor.ts';
import { OptionError, UnsupportedError } from '../errors.ts';
import { sum } from '../math/sum.ts';
import { fixedBytesIn, rowsIn } from '../model/blocks/registry.ts';
import type { Workspace } from '../model/workspace.ts';
import type { LocalExecutor } from './executor.ts';
import { localOf } from './lasting.ts';
import { type Model, readModel } from './model.ts';
import { pause } from './prefill.ts';

export interface Profile {
  /**
   * s_l of each layer: mean cosine of its keys under full and under block-local attention. Low =
   * sensitive. 0 of a layer that caches no keys.
   */
  readonly similarity: readonly number[];
  readonly tokens: number;
  readonly blockSize: number;
  readonly sinks: number;
}

export interface ProfileOptions {
  /** Aborts: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

const profileNames = namesOf<ProfileOptions>({ signal: true, onProgress: true });

/** Tokens whose keys are compared as one vector. */
const WINDOW = 100;
const SINKS = 128;
const BLOCK = 4096;
/** Fewer tokens make no block with anything before it. */
const LEAST_TOKENS = 64;

/**
 * Profiles a model on a text: (a) full causal attention, (b) each token sees the first `sinks`
 * tokens, its own block, and the last half of the block before. Text past the context length is
 * left out; where it is shorter than two blocks of 4096, blocks are a quarter of it. Throws
 * OptionError for wrong options and a text that is too short, UnsupportedError for a model that is
 * split over workers, the signal's reason when aborted.
 */
export async function profileModel(
  model: Model,
  text: string,
  options?: ProfileOptions,
): Promise<Profile> {
  const given = knownNames('profileModel', options, profileNames);
  const signal = optional(abortSignal, 'signal', given.signal);
  const onProgress = optional(
    callback,
    'onProgress',
    given.onProgress,
  ) as ProfileOptions['onProgress'];
  filledText('text', text);
  const { executor, config } = readModel(model);
  const local = localOf(executor);
  if (!local)
    throw new UnsupportedError(
      `the model is split over ${executor.layerRanges.length} workers, a profile needs it whole: ` +
        `load it with pipeline: 1`,
    );
  const tokens = model.tokenizer.encode(text).slice(0, config.contextLength);
  if (tokens.length < LEAST_TOKENS)
    throw new OptionError(
      `the text has ${tokens.length} tokens, a profile needs at least ${LEAST_TOKENS}: give a ` +
        `longer text`,
    );
  const blockSize = tokens.length >= 2 * BLOCK ? BLOCK : Math.ceil(tokens.length / 4);
  const sinks = Math.min(SINKS, Math.floor(blockSize / 4));
  const comparison = new Comparison(local, tokens.length, blockSize, sinks);
  try {
    for (let at = 0; at < tokens.length; at += blockSize) {
      signal?.throwIfAborted();
      if (executor.ended) throw executor.ended;
      await comparison.forward(tokens.slice(at, at + blockSize), at);
      onProgress?.(Math.min(at + blockSize, tokens.length), tokens.length);
      await pause();
    }
    return { similarity: comparison.similarity, tokens: tokens.length, blockSize, sinks };
  } finally {
    comparison.dispose();
  }
}

/** What layers have seen: rows, and what is fixed in size where some keep that. */
interface Seen {
  readonly cache: Cache;
  readonly fixed: FixedState | undefined;
}

/** Two caches that the same tokens go into: one keeps all rows, one what a block attends to. */
class Comparison {
  readonly #executor: LocalExecutor;
  readonly #sinks: number;
  readonly #full: Seen;
  readonly #cut: Seen;
  readonly #workspace: Workspace;
  /** Where rows to be kept are listed. */
  readonly #kept: Address;
  /** What gives back what is reserved, the newest last. */
  readonly #undo: (() => void)[] = [];
  readonly #sums: number[];
  #windows = 0;
  /** Rows of each head of the cut cache. */
  #held = 0;

  constructor(executor: LocalExecutor, tokens: number, blockSize: number, sinks: number) {
    const { transformer, backend, config } = executor;
    const { layers, layerSpecs } = config;
    const rows = layerSpecs.map(rowsIn);
    const fixedBytes = layerSpecs.map(fixedBytesIn);
    const most = Math.max(...rows.map(({ kvHeads }) => kvHeads));
    const localRows = sinks + Math.ceil(blockSize / 2);
    const seen = (kept: number): Seen => {
      const cache = backend.createCache({
        kvHeads: rows.map(({ kvHeads }) => kvHeads),
        headDim: rows.map(({ headDim }) => headDim),
        rowType: 'f32',
        keptRows: new Array<number>(layers).fill(kept),
        room: blockSize,
      });
      this.#undo.push(() => cache.dispose());
      const fixed = sum(fixedBytes) > 0 ? new FixedState(backend, fixedBytes, 0) : undefined;
      this.#undo.push(() => fixed?.dispose());
      return { cache, fixed };
    };
    this.#executor = executor;
    this.#sinks = sinks;
    this.#sums = new Array<number>(layers).fill(0);
    try {
      const full = seen(tokens);
      const cut = seen(localRows);
      const workspace = transformer.createWorkspace(blockSize, Math.min(256, blockSize));
      this.#undo.push(() => workspace.dispose());
      const kept = backend.arena.allocate((localRows + blockSize) * most * 4);
      this.#undo.push(() => backend.arena.free(kept));
      [this.#full, this.#cut, this.#workspace, this.#kept] = [full, cut, workspace, kept];
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Mean cosine of each layer's keys. */
  get similarity(): number[] {
    return this.#sums.map((s) => s / this.#windows);
  }

  /** Forwards a block of tokens from number `at` on, and compares its keys. */
  async forward(block: readonly number[], at: number): Promise<void> {
    const { transformer } = this.#executor;
    const both = [this.#full, this.#cut];
    for (const { cache, fixed } of both)
      transformer.forward(block, {
        cache,
        stateOf: fixed && ((layer) => fixed.of(layer)),
        workspace: this.#workspace,
        position: at,
        token: at,
      });
    const [whole, local] = await Promise.all(both.map(({ cache }) => keysOf(cache, block.length)));
    this.#compare(whole, local, block.length);
    this.#cutDown(block.length);
  }

  #compare(whole: Float32Array[][], local: Float32Array[][], length: number): void {
    for (let from = 0; from < length; from += WINDOW) {
      const count = Math.min(WINDOW, length - from);
      this.#windows++;
      for (const [l, heads] of whole.entries())
        for (const [h, keys] of heads.entries()) {
          const d = keys.length / length;
          const part = (all: Float32Array) => all.subarray(from * d, (from + count) * d);
          this.#sums[l] += cosine(part(keys), part(local[l][h])) / heads.length;
        }
    }
  }

  /** Leaves what the next block sees: the first tokens, and the last half of this block. */
  #cutDown(length: number): void {
    const n = this.#held + length;
    const rows = [...Array(n).keys()].filter(
      (i) => i < Math.min(this.#sinks, n) || i >= n - Math.ceil(length / 2),
    );
    this.#held = rows.length;
    const { backend, config } = this.#executor;
    const { cache } = this.#cut;
    for (let l = 0; l < config.layers; l++)
      if (layerShape(cache.shape, l).kvHeads > 0)
        cache.compact(l, backend.selectListed(this.#kept, cache.rows(l), rows));
  }

  dispose(): void {
    for (const step of this.#undo.reverse()) step();
  }
}

/** Keys f32 [count, d] of the newest rows, of each layer and head. */
function keysOf(cache: Cache, count: number): Promise<Float32Array[][]> {
  return Promise.all(
    layerShapes(cache.shape).map(({ kvHeads }, l) =>
      Promise.all(Array.from({ length: kvHeads }, (_, h) => cache.newestKeys(l, h, count))),
    ),
  );
}

function cosine(a: Float32Array, b: Float32Array): number {
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 1;
}
