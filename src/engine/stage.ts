// A conversation's part in consecutive layers of a model: their cache, working memory, and the
// steps. It does what it is told, block by block, and evicts as the policy rates; what is asked of
// it, and when, `run.ts` decides. The layers before and behind may be elsewhere.
import type { Angles } from '../backend/backend.ts';
import { MOST_VALUE_COLUMNS, valueColumns } from '../backend/dtype.ts';
import type { Address, Scores, Tensor } from '../backend/tensor.ts';
import { Cache, type Kept } from '../cache/cache.ts';
import { CacheReader, CacheWriter, type Extent } from '../cache/snapshot.ts';
import type { Standing } from '../cache/stored.ts';
import { OptionError, StoreError } from '../errors.ts';
import type { Input, Transformer } from '../model/transformer.ts';
import type { Workspace } from '../model/workspace.ts';
import type { LayerView } from '../policy/policy.ts';
import { rateRows, total } from '../policy/score.ts';
import { protectRows, select } from '../policy/select.ts';
import { type Plan, ROW_BUFFERS, SHIFT_SLOTS } from './plan.ts';

/**
 * What a layer kept after a block, for those who draw it. Token numbers of each head's rows,
 * ascending.
 */
export type OnKept = (layer: number, tokens: readonly Int32Array[]) => void;

/** Tokens [begin, end). */
export type Span = readonly [begin: number, end: number];

/** Where tokens stand: rotary position and number of the first. */
export interface Place {
  readonly position: number;
  readonly token: number;
}

/** A block's step. */
export interface Step extends Place {
  /** Tokens of the block. */
  readonly count: number;
  /** Whether the policy rates all rows, and whether each layer is then cut to its share. */
  readonly rates: boolean;
  readonly evicts: boolean;
  /**
   * Whether rows that stay are rotated to end at the plan's compactBase, and at which position they
   * ended before (ORIGINAL: each where its token was).
   */
  readonly compact: boolean;
  readonly base: number;
  /** Rows that each layer keeps per kv head. */
  readonly layerRows: 'layerRows' | 'compactRows';
}

/** What the next layers need: hidden states of a block, and of its patched prompt. */
export interface Passed {
  readonly block: Float32Array<ArrayBuffer>;
  readonly prompt?: Float32Array<ArrayBuffer>;
}

/** A state that was put back, and how many rows each range has of it. */
export interface Restored extends Standing {
  readonly rows: readonly number[];
}

/** The base of rows that stand where their tokens were. */
export const ORIGINAL = -1;

export class Stage {
  readonly transformer: Transformer;
  /** The plan's part for these layers. */
  readonly plan: Plan;
  readonly cache: Cache;
  readonly workspace: Workspace;
  /** Called in the middle of a step: it must only take note. */
  onKept?: OnKept;
  /** Whether the model's last layer is one of these. */
  readonly isLast: boolean;
  #buffers: Address;
  #shifts: Address;
  #shiftHeld = new Int32Array(SHIFT_SLOTS); // which shift a slot holds; 0 is never asked for
  #extent: number; // bytes of one buffer
  #ahead?: Angles; // of a block's queries to the positions behind it
  #reader?: CacheReader;
  #writer?: CacheWriter;

  /**
   * Reserves everything it will ever hold. Throws DeviceError where memory ends; nothing is left
   * reserved then.
   */
  constructor(transformer: Transformer, plan: Plan) {
    this.transformer = transformer;
    this.plan = plan;
    const { backend, config } = transformer;
    this.isLast = transformer.weights.end === config.layers;
    checkValueTerm(transformer, plan);
    this.#extent = plan.layerCapacity * 4;
    const undo: (() => void)[] = [];
    try {
      this.cache = new Cache(backend, plan.shape);
      undo.push(() => this.cache.dispose());
      this.workspace = transformer.createWorkspace(
        Math.max(plan.blockSize, plan.promptTokens),
        plan.blockSize,
      );
      undo.push(() => this.workspace.dispose());
      this.#buffers = backend.arena.allocate(this.#extent * ROW_BUFFERS);
      undo.push(() => backend.arena.free(this.#buffers));
      this.#shifts = backend.arena.allocate(SHIFT_SLOTS * config.ropeDims * 4);
      undo.push(() => backend.arena.free(this.#shifts));
      const { observe } = plan.policy;
      if (observe.queries === 'block' && observe.ahead) {
        const address = backend.arena.allocate(plan.blockSize * config.ropeDims * 4);
        this.#ahead = { address, rotated: config.ropeDims, style: config.architecture.rope };
        transformer.rotary.writeAhead(backend, address, plan.blockSize, observe.ahead);
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  /**
   * Appends a block, lets the policy rate all rows, and evicts, layer by layer. A patched prompt
   * goes through behind it, and its rows away again.
   */
  step(block: Input, prompt: Input | undefined, step: Step): Passed | undefined {
    const { cache, transformer, workspace } = this;
    const { policy } = this.plan;
    const { count: T, position, token } = step;
    transformer.forward(block, {
      cache,
      workspace,
      position,
      token,
      onLayer: (layer, queries) => {
        if (prompt || !step.rates) return;
        const { observe } = policy;
        const count = observe.queries === 'last' ? Math.min(observe.count, T) : T;
        const looking =
          observe.queries === 'none'
            ? undefined
            : {
                address: queries.address + (T - count) * queries.columns * 4,
                columns: queries.columns,
              };
        this.#evict(
          layer,
          rateRows(
            policy,
            this.#view(layer, step, this.#buffer(0), looking, count),
            transformer.backend,
          ),
          step,
        );
      },
    });
    const passed = this.isLast ? undefined : this.#hidden(T);
    if (!prompt) return passed && { block: passed };
    const P = this.#observePatched(prompt, step);
    return passed && { block: passed, prompt: this.#hidden(P) };
  }

  /** Appends tokens without rating or evicting. */
  extend(tokens: Input, place: Place): Float32Array<ArrayBuffer> | undefined {
    this.transformer.forward(tokens, { cache: this.cache, workspace: this.workspace, ...place });
    return this.isLast ? undefined : this.#hidden(this.transformer.countOf(tokens));
  }

  /**
   * Log-odds [V] after token t of the last step or extension, where the model's last layer is here:
   * a view, valid until the next operation.
   */
  logits(t: number): Float32Array {
    return this.transformer.logits(this.workspace, t);
  }

  /** Begins to take the rows out: how much there is. They must stay as they are meanwhile. */
  save(): Extent {
    this.#mustLive();
    this.#reader = new CacheReader(this.cache);
    return this.#reader.extent;
  }

  /** Takes back rows of tokens from a number on; how many rows each range has left. */
  truncateFrom(token: number): number[] {
    this.cache.truncateFrom(token);
    return this.cache.rangeRows;
  }

  /** Fills memory with the next bytes of the rows, as far as there are any. */
  read(into: Uint8Array): void {
    this.#mustLive();
    this.#reader!.read(into);
  }

  /** Forgets all rows and makes room for others. Throws StoreError where those do not fit. */
  restore(extent: Extent): void {
    this.#mustLive();
    this.#writer = new CacheWriter(this.cache, extent);
  }

  /** Puts the next bytes back. Throws StoreError where they make no sense: clear then. */
  write(bytes: Uint8Array): void {
    this.#mustLive();
    if (!this.#writer) throw new StoreError('rows are put back where nothing was begun');
    this.#writer.write(bytes);
  }

  /** All was put back: rows of each range. */
  restored(): number[] {
    this.#mustLive();
    this.#writer?.finish();
    this.#writer = undefined;
    return this.cache.rangeRows;
  }

  /** How many rows there are of the tokens of each span. */
  held(spans: readonly Span[]): number[] {
    const counts = new Array<number>(spans.length).fill(0);
    for (const { positions, length } of this.cache.heads.flat()) {
      const tokens = this.cache.backend.ints(positions, length);
      spans.forEach(([begin, end], i) => {
        counts[i] += lowerBound(tokens, end) - lowerBound(tokens, begin);
      });
    }
    return counts;
  }

  dispose(): void {
    this.cache.dispose();
    this.workspace.dispose();
    if (this.#buffers === 0) return;
    const { arena } = this.transformer.backend;
    arena.free(this.#buffers);
    arena.free(this.#shifts);
    if (this.#ahead) arena.free(this.#ahead.address);
    this.#buffers = 0;
  }

  /**
   * Rows are taken out and put back in many steps: a conversation may be disposed of between two.
   */
  #mustLive(): void {
    if (this.#buffers === 0)
      throw new OptionError('the conversation was disposed of: open another one');
  }

  #hidden(count: number): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.transformer.hidden(this.workspace, count));
  }

  #buffer(i: number): Address {
    return this.#buffers + i * this.#extent;
  }

  /**
   * Forwards the patched prompt, lets its queries rate each layer, and drops its rows again
   * (algorithms, section 2). Returns its length.
   */
  #observePatched(prompt: Input, step: Step): number {
    const { plan, cache, transformer } = this;
    const { backend } = transformer;
    const P = transformer.countOf(prompt);
    const sum = this.#buffer(5); // looks of the pieces so far
    transformer.forward(prompt, {
      cache,
      workspace: this.workspace,
      position: step.position + step.count,
      token: step.token + step.count,
      queriesOnly: true,
      looks: true,
      onLayer: (layer, queries, count, done, looks) => {
        // the prompt's own rows are no keys here (section 2): each head is seen as it was before
        // them
        const heads = cache.heads[layer].map((h) => ({ ...h, length: h.length - done }));
        const view = { ...this.#view(layer, step, this.#buffer(0), queries, count), heads, looks };
        const scores = rateRows(plan.policy, view, backend);
        const n = total(scores);
        const into = backend.floats(sum, n);
        const own = backend.floats(scores.address, n);
        const first = done === count;
        const mean = plan.policy.aggregate === 'mean';
        const by = mean ? count / P : 1;
        for (let i = 0; i < n; i++) {
          const look = own[i] * by;
          into[i] = first ? look : mean ? into[i] + look : Math.max(into[i], look);
        }
        if (done < P) return;
        own.set(into);
        cache.truncate(layer, P);
        this.#evict(layer, scores, step);
      },
    });
    return P;
  }

  #view(
    layer: number,
    step: Step,
    out: Address,
    queries: Tensor | undefined,
    count: number,
  ): LayerView {
    const { plan, cache } = this;
    return {
      layer: plan.first + layer,
      heads: cache.heads[layer],
      headDim: plan.shape.headDim,
      rowType: plan.shape.rowType,
      tokens: step.token + step.count,
      queries,
      count,
      ahead: this.#ahead && {
        ...this.#ahead,
        address: this.#ahead.address + (plan.blockSize - count) * this.#ahead.rotated * 4,
      },
      recent: Math.min(plan.policy.protect.recent, plan.layerRows[layer]),
      rows: plan.layerRows[layer],
      output: this.transformer.weights.layers[layer].attnOutput,
      out,
      spare: this.#buffer(1),
      extra: this.#buffer(4),
      seed: plan.seed,
    };
  }

  /**
   * Evicts from a layer by its scores; where all layers are selected from together, from all of
   * them once the last has its scores.
   */
  #evict(layer: number, scores: Scores, step: Step): void {
    if (!step.evicts) return;
    const { plan, cache } = this;
    const { backend } = this.transformer;
    const { pooled } = plan.shape;
    const before = pooled
      ? cache.heads
          .slice(0, layer)
          .reduce((sum, heads) => sum + heads.reduce((n, h) => n + h.length, 0), 0)
      : 0;
    const rated = protectRows(
      this.#view(layer, step, this.#buffer(0), undefined, 0),
      scores,
      plan.sinks,
      this.#buffer(2) + before * 4,
      backend,
    );
    this.#keepScores(layer, rated);
    const share = {
      rows: plan[step.layerRows][layer],
      sinks: plan.sinks,
      safeguard: plan.safeguard,
    };
    if (!pooled) {
      const kept = select(
        cache.heads[layer],
        rated,
        { ...share, heads: plan.heads },
        this.#buffer(3),
        backend,
      );
      if (step.compact) this.#rotate(layer, kept, step);
      cache.compact(layer, kept);
    } else {
      if (layer < cache.layers - 1) return;
      const heads = cache.heads.flat();
      const all = { address: this.#buffer(2), counts: heads.map((h) => h.length) };
      const kept = select(heads, all, { ...share, heads: 'adaptive' }, this.#buffer(3), backend);
      const { kvHeads } = plan.shape;
      if (step.compact)
        cache.heads.forEach((_, l) =>
          this.#rotate(l, kept.slice(l * kvHeads, (l + 1) * kvHeads), step),
        );
      cache.compactAll(kept);
    }
    for (const l of pooled ? cache.heads.keys() : [layer]) {
      this.onKept?.(
        plan.first + l,
        cache.heads[l].map((h) => backend.ints(h.positions, h.length).slice()),
      );
    }
  }

  /**
   * Leaves a patched prompt's scores with the rows, as their state, so that two episodes' rows can
   * be compared; not where a policy needs the state.
   */
  #keepScores(layer: number, rated: Scores): void {
    const { observe, value, accumulates } = this.plan.policy;
    if (observe.queries !== 'patched' || value !== 'none' || accumulates) return;
    const { backend } = this.transformer;
    let at = rated.address;
    for (const { state, length } of this.cache.heads[layer]) {
      backend.moveBytes(state, at, length * 4);
      at += length * 4;
    }
  }

  /**
   * Rotates the rows that stay so that their positions become contiguous and end at
   * plan.compactBase, before they move.
   */
  #rotate(layer: number, kept: readonly Kept[], { position, count: T, base }: Step): void {
    const { cache, plan } = this;
    const { backend, config } = this.transformer;
    const end = position + T;
    cache.heads[layer].forEach((head, h) => {
      const { count } = kept[h];
      const rows = backend.ints(kept[h].rows, count).slice();
      const tokens = backend.ints(head.positions, head.length).slice();
      const places = head.places && backend.ints(head.places, head.length).slice();
      const shifts = rows.map((row, i) => {
        const before = places
          ? places[row]
          : base === ORIGINAL
            ? tokens[row]
            : end - head.length + row;
        return plan.compactBase - count + i - before;
      });
      cache.turn(layer, h, rows, shifts, (shift) => ({
        address: this.#anglesOf(shift),
        rotated: config.ropeDims,
        style: config.architecture.rope,
      }));
      if (head.places)
        for (let i = 0; i < count; i++)
          backend.ints(head.places + rows[i] * 4, 1)[0] = plan.compactBase - count + i;
    });
  }

  /** Angles of a difference of positions, kept where the last one with the same slot was. */
  #anglesOf(shift: number): Address {
    const slot = Math.abs(shift) % SHIFT_SLOTS;
    const at = this.#shifts + slot * this.transformer.config.ropeDims * 4;
    if (this.#shiftHeld[slot] !== shift) {
      this.transformer.rotary.write(this.transformer.backend, at, shift, 1);
      this.#shiftHeld[slot] = shift;
    }
    return at;
  }
}

/** Throws OptionError where a policy weighs by values that the kernels cannot project. */
function checkValueTerm({ config, weights }: Transformer, { policy }: Plan): void {
  if (policy.value !== 'projected') return;
  const { headDim, queryHeads } = config;
  for (const { attnOutput } of weights.layers) {
    const columns = valueColumns(attnOutput.type, headDim, queryHeads);
    if (columns <= MOST_VALUE_COLUMNS) continue;
    throw new OptionError(
      `policy '${policy.name}' weighs rows by their values, which takes ${columns} columns of ` +
        `the output projection a head (heads of ${headDim}, ` +
        `${attnOutput.type.name}); at most ${MOST_VALUE_COLUMNS} are possible: choose a policy ` +
        `without a value term, or value: 'none'`,
    );
  }
}

/** How many of ascending numbers are below a limit. */
function lowerBound(numbers: Int32Array, limit: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
