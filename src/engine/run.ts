// One conversation's state in the engine: its cache, its working memory, where it stands. It takes tokens in blocks and keeps within its
// plan; it knows no text. `prefill.ts` and `decode.ts` are what is done with it.
import type { Angles } from '../backend/backend.ts';
import { isQuantized } from '../backend/dtype.ts';
import type { Address, Scores, Tensor } from '../backend/tensor.ts';
import { Cache, type Kept } from '../cache/cache.ts';
import { joinSnapshots, restoreSnapshot, takeSnapshot } from '../cache/snapshot.ts';
import { ContextError } from '../errors.ts';
import type { Transformer, Workspace } from '../model/transformer.ts';
import type { LayerView } from '../policy/policy.ts';
import { protectRows, select } from '../policy/select.ts';
import { total } from '../policy/score.ts';
import { fullError, type Plan, ROW_BUFFERS, SHIFT_SLOTS } from './plan.ts';

/** What a layer kept after a block, for those who draw it. Token numbers of each head's rows, ascending. */
export type OnKept = (layer: number, tokens: readonly Int32Array[]) => void;

/** A place to come back to. */
export interface Mark {
  readonly token: number;
  readonly evictions: number;
  readonly tail: readonly number[];
}

const ORIGINAL = -1;

export class Run {
  readonly transformer: Transformer;
  readonly plan: Plan;
  readonly cache: Cache;
  readonly workspace: Workspace;
  /** Number of the next token. */
  token = 0;
  /** Steps that evicted, so far. */
  evictions = 0;
  /** Tokens of the patched prompt that rates a block, in policies that use one. */
  prompt: (block: readonly number[]) => readonly number[] = (block) => block;
  onKept?: OnKept;
  #base = ORIGINAL; // position at which rows end since they were made compact, ORIGINAL before
  #rebasedAt = 0;
  #tail: number[] = []; // the newest blockSize tokens
  #buffers: Address;
  #shifts: Address;
  #shiftHeld = new Int32Array(SHIFT_SLOTS); // which shift a slot holds; 0 is never asked for
  #extent: number; // bytes of one buffer
  #ahead?: Angles; // of a block's queries to the positions behind it

  /** Reserves everything the run will ever hold. Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor(transformer: Transformer, plan: Plan) {
    this.transformer = transformer;
    this.plan = plan;
    const { backend, config } = transformer;
    this.#extent = plan.layerCapacity * 4;
    const undo: (() => void)[] = [];
    try {
      this.cache = new Cache(backend, plan.shape);
      undo.push(() => this.cache.dispose());
      this.workspace = transformer.createWorkspace(Math.max(plan.blockSize, plan.promptTokens), plan.blockSize);
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
    if (plan.positions === 'compact') this.#base = 0;
  }

  /** Rotary position of the next token. */
  get position(): number {
    return this.#base === ORIGINAL ? this.token : this.#base + this.token - this.#rebasedAt;
  }

  /** Most bytes held so far: rows at their fullest, and what is reserved beside them. */
  get peakBytes(): number {
    return this.plan.promisedBytes - this.plan.promisedCacheBytes + this.cache.peakBytes;
  }

  /** Appends a block of at most blockSize tokens, lets the policy rate all rows, and evicts down to the budget, layer by layer. */
  step(block: readonly number[]): void {
    if (block.length === 0) return;
    const over = this.#mustEvict(block.length);
    if (over && !this.plan.policy.evicts) throw fullError(this.plan, this.token + block.length);
    const patched = over && this.plan.policy.observe.queries === 'patched';
    this.#fit(block.length, patched ? this.plan.promptTokens : 0);
    this.#block(block, this.#recompacts);
  }

  /** Appends tokens (at most blockSize) without rating or evicting, and leaves log-odds of the next to be read. */
  extend(tokens: readonly number[]): void {
    this.#fit(tokens.length, 0);
    this.transformer.forward(tokens, { cache: this.cache, workspace: this.workspace, position: this.position, token: this.token });
    this.token += tokens.length;
    this.#remember(tokens);
  }

  /** Whether `count` tokens can be appended without evicting first, and a patched prompt behind them. */
  hasRoom(count: number): boolean {
    if (this.position + count > this.#positionLimit) return false;
    const rows = count + this.plan.promptTokens;
    // (rows reserved for recall are room like any other while nothing is recalled)
    for (let layer = 0; layer < this.cache.layers; layer++) {
      for (let h = 0; h < this.plan.shape.kvHeads; h++) if (this.cache.roomOf(layer, h) < rows) return false;
    }
    return true;
  }

  /** Makes sure that `count` tokens can be appended: where they do not fit, the newest go through a step once more. */
  makeRoom(count: number): void {
    this.#fit(count, 0);
  }

  /** Where the run stands, to come back to by rewind(). */
  mark(): Mark {
    return { token: this.token, evictions: this.evictions, tail: [...this.#tail] };
  }

  /** Takes back all tokens since the mark; false, and nothing is done, where some were evicted since, so that they can no longer be told apart. */
  rewind({ token, evictions, tail }: Mark): boolean {
    if (evictions !== this.evictions) return false;
    this.cache.truncateFrom(token);
    this.#tail = [...tail];
    this.token = token;
    return true;
  }

  /** Log-odds [V] after the last token of the last step or extension: a view, valid until the next operation. */
  logits(last: number): Float32Array {
    return this.transformer.logits(this.workspace, last);
  }

  /** Forgets everything said. */
  clear(): void {
    this.cache.clear();
    this.token = 0;
    this.#tail = [];
    this.#base = this.plan.positions === 'compact' ? 0 : ORIGINAL;
    this.#rebasedAt = 0;
  }

  save(): Uint8Array<ArrayBuffer> {
    return takeSnapshot(this.cache, { token: this.token, base: this.#base, rebasedAt: this.#rebasedAt });
  }

  /** Puts a saved state back; `newest` are the tokens before its end, as many as a block at least. */
  restore(bytes: Uint8Array, name: string, newest: readonly number[]): void {
    const { token, base, rebasedAt } = restoreSnapshot(this.cache, bytes, name);
    this.token = token;
    this.#base = base;
    this.#rebasedAt = rebasedAt;
    this.#tail = base === ORIGINAL ? newest.slice(-this.plan.blockSize) : [];
  }

  /**
   * Puts the union of two saved states back, as many rows in each head as the first has. False, with nothing changed, where they cannot be put together
   * (compact positions).
   */
  restoreUnion(first: Uint8Array, second: Uint8Array, name: string, newest: readonly number[]): boolean {
    const joined = joinSnapshots(first, second, this.plan.shape, this.plan.sinks, this.token - this.plan.policy.protect.recent);
    if (joined) this.restore(joined, name, newest);
    return joined !== undefined;
  }

  dispose(): void {
    this.cache.dispose();
    this.workspace.dispose();
    if (this.#buffers === 0) return;
    this.transformer.backend.arena.free(this.#buffers);
    this.transformer.backend.arena.free(this.#shifts);
    if (this.#ahead) this.transformer.backend.arena.free(this.#ahead.address);
    this.#buffers = 0;
  }

  #buffer(i: number): Address {
    return this.#buffers + i * this.#extent;
  }

  /**
   * Whether every eviction makes positions contiguous again: since the context length was first reached, but not where turning a key rounds it again.
   * Those rows wait until it is reached once more.
   */
  get #recompacts(): boolean {
    return this.#base !== ORIGINAL && !isQuantized(this.plan.shape.rowType);
  }

  #remember(tokens: readonly number[]): void {
    this.#tail.push(...tokens);
    if (this.#tail.length > this.plan.blockSize) this.#tail = this.#tail.slice(-this.plan.blockSize);
  }

  /** Positions may not pass it. What keeps everything may, as llama.cpp lets it: the rotation extrapolates, at the user's risk. */
  get #positionLimit(): number {
    const { policy, positions } = this.plan;
    return policy.evicts || positions === 'original' ? this.transformer.config.contextLength : Number.POSITIVE_INFINITY;
  }

  /** Whether some layer (all together, where they are selected from together) will hold more than its share once T tokens have been appended. */
  #mustEvict(T: number): boolean {
    const { layerRows, compactRows, sinks } = this.plan;
    const { kvHeads, pooled } = this.plan.shape;
    const share = this.#base === ORIGINAL ? layerRows : compactRows;
    const held = Math.min(sinks, this.token + T);
    const over = this.cache.heads.map((heads, layer) => heads.reduce((sum, h) => sum + h.length + T, 0) - kvHeads * (share[layer] + held));
    return pooled ? over.reduce((a, b) => a + b, 0) > 0 : over.some((rows) => rows > 0);
  }

  /**
   * Makes sure that `count` tokens fit, and `ahead` positions behind them: if not, the newest tokens are taken back and go through a
   * block's step once more, so that the policy decides what makes room. Where the context length is reached, that step also makes
   * positions compact. (Its own patched prompt may then reach `ahead` positions past the context length, that once.)
   */
  #fit(count: number, ahead: number): void {
    const { plan, transformer } = this;
    const beyond = this.position + count + ahead > this.#positionLimit;
    if (!beyond && this.hasRoom(count)) return;
    if (!plan.policy.evicts && !beyond) throw fullError(plan, this.token + count);
    const { contextLength } = transformer.config;
    if (beyond && plan.positions === 'original') {
      throw new ContextError(`position ${this.position + count + ahead} is beyond the model's context of ${contextLength}: use positions 'auto' or 'compact'`);
    }
    const again = this.#tail;
    if (again.length === 0) throw new ContextError(`${count} tokens do not fit into an empty conversation: give fewer at a time`);
    this.token -= again.length;
    this.cache.truncateFrom(this.token);
    this.#tail = [];
    this.#block(again, beyond || this.#recompacts);
  }

  /** The step itself. `compact`: rows are rotated to end at plan.compactBase. */
  #block(block: readonly number[], compact: boolean): void {
    const { plan, cache, transformer } = this;
    const { policy } = plan;
    const T = block.length;
    const over = compact || this.#mustEvict(T);
    const rate = over || policy.accumulates;
    const patched = rate && policy.observe.queries === 'patched';
    const end = this.position + T;
    const evict = (layer: number, scores: Scores) => {
      if (over) this.#evict(layer, scores, T, end, compact);
    };
    transformer.forward(block, {
      cache,
      workspace: this.workspace,
      position: this.position,
      token: this.token,
      onLayer: (layer, queries) => {
        if (patched || !rate) return;
        const { observe } = policy;
        const count = observe.queries === 'last' ? Math.min(observe.count, T) : T;
        const looking = observe.queries === 'none' ? undefined : { address: queries.address + (T - count) * queries.columns * 4, columns: queries.columns };
        evict(layer, policy.score(this.#view(layer, T, this.#buffer(0), looking, count), transformer.backend));
      },
    });
    if (patched) {
      const prompt = this.prompt(block);
      this.#observePatched(prompt.length > 0 ? prompt : block, T, end, evict);
    }
    this.token += T;
    if (over) this.evictions++;
    if (compact) {
      this.#base = plan.compactBase;
      this.#rebasedAt = this.token;
      this.#tail = [];
    } else this.#remember(block);
  }

  /** Forwards the patched prompt, lets its queries rate each layer, and drops its rows again (algorithms, section 2). */
  #observePatched(prompt: readonly number[], T: number, end: number, evict: (layer: number, scores: Scores) => void): void {
    const { plan, cache, transformer } = this;
    const { backend } = transformer;
    const P = Math.min(prompt.length, plan.promptTokens);
    const sum = this.#buffer(5); // looks of the pieces so far
    transformer.forward(prompt.slice(0, P), {
      cache,
      workspace: this.workspace,
      position: end,
      token: this.token + T,
      queriesOnly: true,
      looks: true,
      onLayer: (layer, queries, count, done, looks) => {
        // the prompt's own rows are no keys here (section 2): each head is seen as it was before them
        const heads = cache.heads[layer].map((h) => ({ ...h, length: h.length - done }));
        const view = { ...this.#view(layer, T, this.#buffer(0), queries, count), heads, looks };
        const scores = plan.policy.score(view, backend);
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
        evict(layer, scores);
      },
    });
  }

  #view(layer: number, T: number, out: Address, queries: Tensor | undefined, count: number): LayerView {
    const { plan, cache } = this;
    return {
      layer,
      heads: cache.heads[layer],
      headDim: plan.shape.headDim,
      rowType: plan.shape.rowType,
      tokens: this.token + T,
      queries,
      count,
      ahead: this.#ahead && { ...this.#ahead, address: this.#ahead.address + (plan.blockSize - count) * this.#ahead.rotated * 4 },
      recent: Math.min(plan.policy.protect.recent, plan.layerRows[layer]),
      rows: plan.layerRows[layer],
      output: this.transformer.weights.layers[layer].attnOutput,
      out,
      spare: this.#buffer(1),
      extra: this.#buffer(4),
      seed: plan.seed,
    };
  }

  /** Evicts from a layer by its scores; where all layers are selected from together, from all of them once the last has its scores. */
  #evict(layer: number, scores: Scores, T: number, end: number, compact: boolean): void {
    const { plan, cache } = this;
    const { backend } = this.transformer;
    const { pooled } = plan.shape;
    const layerRows = compact ? plan.compactRows : plan.layerRows;
    const before = pooled ? cache.heads.slice(0, layer).reduce((sum, heads) => sum + heads.reduce((n, h) => n + h.length, 0), 0) : 0;
    const rated = protectRows(this.#view(layer, T, this.#buffer(0), undefined, 0), scores, plan.sinks, this.#buffer(2) + before * 4, backend);
    this.#keepScores(layer, rated);
    const share = { rows: layerRows[layer], sinks: plan.sinks, safeguard: plan.safeguard };
    if (!pooled) {
      const kept = select(cache.heads[layer], rated, { ...share, heads: plan.heads }, this.#buffer(3), backend);
      if (compact) this.#rotate(layer, kept, end);
      cache.compact(layer, kept);
    } else {
      if (layer < cache.layers - 1) return;
      const heads = cache.heads.flat();
      const all = { address: this.#buffer(2), counts: heads.map((h) => h.length) };
      const kept = select(heads, all, { ...share, heads: 'adaptive' }, this.#buffer(3), backend);
      const { kvHeads } = plan.shape;
      if (compact) cache.heads.forEach((_, l) => this.#rotate(l, kept.slice(l * kvHeads, (l + 1) * kvHeads), end));
      cache.compactAll(kept);
    }
    for (const l of pooled ? cache.heads.keys() : [layer]) {
      this.onKept?.(
        l,
        cache.heads[l].map((h) => backend.ints(h.positions, h.length).slice()),
      );
    }
  }

  /** Leaves a patched prompt's scores with the rows, as their state, so that two episodes' rows can be compared; not where a policy needs the state. */
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

  /** Rotates the rows that stay so that their positions become contiguous and end at plan.compactBase, before they move. */
  #rotate(layer: number, kept: readonly Kept[], end: number): void {
    const { cache, plan } = this;
    const { backend } = this.transformer;
    cache.heads[layer].forEach((head, h) => {
      const { count } = kept[h];
      const rows = backend.ints(kept[h].rows, count).slice();
      const tokens = backend.ints(head.positions, head.length).slice();
      const places = head.places && backend.ints(head.places, head.length).slice();
      const shifts = rows.map((row, i) => {
        const before = places ? places[row] : this.#base === ORIGINAL ? tokens[row] : end - head.length + row;
        return plan.compactBase - count + i - before;
      });
      cache.turn(layer, h, rows, shifts, (shift) => ({
        address: this.#anglesOf(shift),
        rotated: this.transformer.config.ropeDims,
        style: this.transformer.config.architecture.rope,
      }));
      if (head.places) for (let i = 0; i < count; i++) backend.ints(head.places + rows[i] * 4, 1)[0] = plan.compactBase - count + i;
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
