// One conversation in the engine: where it stands, what a block's step has to do, and when room
// must be made. It takes tokens in blocks and keeps within its plan; it knows no text. The layers
// themselves do the steps (`stage.ts`), here or in workers (`executor.ts`); what they will hold is
// known before (`ledger.ts`), so that a step can be asked for while the one before is still on its
// way. `prefill.ts` and `decode.ts` use it.
import type { BytesOut, Stored, Tag } from '../cache/stored.ts';
import { ContextError } from '../errors.ts';
import type { Executor, Layers } from './executor.ts';
import { Ledger } from './ledger.ts';
import { fullError, type Plan } from './plan.ts';
import { Positions } from './positions.ts';
import type { TokenSpan } from '../backend/cache.ts';
import type { Mark } from '../backend/state.ts';
import { ORIGINAL } from './block.ts';
import type { Restored } from './stage.ts';

/** Layers that a step cuts to their share. */
type Cut = 'all' | 'windows' | 'none';

export class Run {
  readonly executor: Executor;
  readonly plan: Plan;
  readonly layers: Layers;
  /** Number of the next token. It counts what was asked for, done or not. */
  token = 0;
  /** Steps that evicted, so far. */
  evictions = 0;
  /** Tokens of the patched prompt that rates a block, in policies that use one. */
  prompt: (block: readonly number[]) => readonly number[] = (block) => block;
  /** Rows that layers hold, counted as `token` is. */
  readonly ledger: Ledger;
  readonly #positions: Positions;
  #tail: number[] = []; // the newest blockSize tokens
  #evictedAt = 0; // tokens at the last eviction: later ones still have all their rows

  /**
   * Reserves everything the run will ever hold. Throws DeviceError where memory ends; nothing is
   * left reserved then.
   */
  constructor(executor: Executor, plan: Plan) {
    this.executor = executor;
    this.plan = plan;
    this.layers = executor.open(plan);
    this.ledger = new Ledger(plan.shape);
    this.#positions = new Positions(plan, executor.config.contextLength);
  }

  /** Rotary position of the next token. */
  get position(): number {
    return this.#positions.of(this.token);
  }

  /** Most bytes held so far: rows at their fullest, and what is reserved beside them. */
  get peakBytes(): number {
    return this.plan.promisedBytes - this.plan.promisedCacheBytes + this.layers.peakCacheBytes;
  }

  /**
   * Appends a block of at most blockSize tokens, lets the policy rate all rows, and evicts down to
   * the budget, layer by layer. The next may be asked for before it is done. Rejects with
   * BudgetError where policy 'full' runs out, ContextError where positions do.
   */
  async step(block: readonly number[]): Promise<void> {
    if (block.length === 0) return;
    const cut = this.#cutFor(block.length);
    if (cut !== 'none' && !this.plan.policy.evicts)
      throw fullError(this.plan, this.token + block.length);
    const patched = cut === 'all' && this.plan.policy.observe.queries === 'patched';
    const made = this.#fit(block.length, patched ? this.plan.promptTokens : 0);
    const { recompacts } = this.#positions;
    const done = this.#block(block, recompacts, recompacts ? 'all' : this.#cutFor(block.length));
    await Promise.all([made, done]);
  }

  /**
   * Appends tokens (at most blockSize) without rating or evicting, and leaves log-odds of the next
   * to be read.
   */
  async append(tokens: readonly number[]): Promise<void> {
    const made = this.#fit(tokens.length, 0);
    const done = this.layers.append(tokens, { position: this.position, token: this.token });
    this.token += tokens.length;
    this.ledger.append(tokens.length);
    this.#remember(tokens);
    await Promise.all([made, done]);
  }

  /**
   * Whether `count` tokens can be appended without evicting first, and a patched prompt behind
   * them.
   */
  hasRoom(count: number): boolean {
    // (rows reserved for recall are room like any other while nothing is recalled)
    return (
      this.position + count <= this.#positions.limit &&
      this.ledger.room >= count + this.plan.promptTokens
    );
  }

  /**
   * Makes sure that `count` tokens can be appended: where they do not fit, the newest go through a
   * step once more.
   */
  async makeRoom(count: number): Promise<void> {
    await this.#fit(count, 0);
  }

  /** Marks where it stands: rewind() goes back there. */
  mark(): Mark {
    return { token: this.token };
  }

  /**
   * Goes back to a mark, whatever happened since: rows that were evicted for the sake of later
   * tokens stay evicted. `newest` are the tokens before it, as many as a block at least. Afterwards
   * all layers are done.
   */
  async rewind({ token }: Mark, newest: readonly number[]): Promise<void> {
    if (token >= this.token) return;
    const whole = token >= this.#evictedAt;
    const done = this.layers.rewind({ token });
    if (whole) this.ledger.append(token - this.token);
    this.token = token;
    this.#positions.takenBack(token);
    const since = this.#positions.areCompact ? this.#positions.rebasedAt : 0;
    this.#tail = newest.slice(
      Math.max(0, newest.length - Math.min(this.plan.blockSize, token - since)),
    );
    const rows = await done;
    if (!whole) {
      this.#evictedAt = token;
      this.ledger.set(rows);
    }
  }

  /**
   * Gives the log-odds [V] after token `last` of the last step or extension to `read`, which must
   * not keep them, and resolves to what it returns.
   */
  read<T>(last: number, read: (logits: Float32Array) => T): Promise<T> {
    return this.layers.logits(last, read);
  }

  /** A copy of these log-odds. */
  logits(last: number): Promise<Float32Array> {
    return this.read(last, (logits) => logits.slice());
  }

  /**
   * Share of the rows of tokens [begin, end) that are held, over all heads of the layers that see
   * the whole text, for each span of tokens.
   */
  async held(spans: readonly TokenSpan[]): Promise<number[]> {
    const layers = Math.max(1, this.plan.slides.filter((slides) => !slides).length);
    const heads = layers * this.executor.config.kvHeads;
    const rows = await this.layers.held(spans);
    return rows.map((count, i) => count / (Math.max(1, spans[i][1] - spans[i][0]) * heads));
  }

  /** Forgets everything said. */
  async clear(): Promise<void> {
    const done = this.layers.clear();
    const rows = this.ledger.rows.map(() => 0);
    this.#stand({ token: 0, base: this.#positions.first, rebasedAt: 0, rows }, []);
    await done;
  }

  /** Stores where it stands and all rows, under a tag. */
  async save(tag: Tag, out: BytesOut): Promise<void> {
    const { base, rebasedAt } = this.#positions;
    await this.layers.snapshots.save({ token: this.token, base, rebasedAt }, tag, out);
  }

  /**
   * Puts a stored state back; `newest` are the tokens before its end, as many as a block at least.
   * Rejects with LostError for one that is damaged or another's: the run has to be cleared then, or
   * another one put back.
   */
  async restore(stored: Stored, newest: readonly number[]): Promise<void> {
    this.#stand(await this.layers.snapshots.restore(stored), newest);
  }

  /**
   * Puts the union of two stored states back, as many rows in each head as the first has. False,
   * with nothing changed, where they cannot be put together (compact positions).
   */
  async restoreUnion(first: Stored, second: Stored, newest: readonly number[]): Promise<boolean> {
    const { recent } = this.plan.policy.protect;
    const joined = await this.layers.snapshots.restoreUnion(first, second, recent);
    if (joined) this.#stand(joined, newest);
    return joined !== undefined;
  }

  dispose(): void {
    this.layers.dispose();
  }

  #stand({ token, base, rebasedAt, rows }: Restored, newest: readonly number[]): void {
    this.token = token;
    this.#positions.stand({ base, rebasedAt });
    this.#evictedAt = token;
    this.#tail = base === ORIGINAL ? newest.slice(-this.plan.blockSize) : [];
    this.ledger.set(rows);
  }

  #remember(tokens: readonly number[]): void {
    this.#tail.push(...tokens);
    if (this.#tail.length > this.plan.blockSize)
      this.#tail = this.#tail.slice(-this.plan.blockSize);
  }

  /**
   * Which layers have to be cut to their share once T tokens have been appended: all where one
   * that is rated will hold more than that (or all together, where they are selected from
   * together), those with a window where only these will.
   */
  #cutFor(T: number): Cut {
    const over = this.ledger.exceeding(
      T,
      this.plan[this.#rowsKept(false)],
      Math.min(this.plan.sinks, this.token + T),
    );
    const { slides } = this.plan;
    if (over.some((is, i) => is && !slides[i])) return 'all';
    return over.some(Boolean) ? 'windows' : 'none';
  }

  /** Which rows layers may keep: once positions are compact, what the context has room for. */
  #rowsKept(compact: boolean): 'layerRows' | 'compactRows' {
    return compact || this.#positions.areCompact ? 'compactRows' : 'layerRows';
  }

  /**
   * Makes sure that `count` tokens fit, and `ahead` positions behind them: if not, the newest
   * tokens are taken back and go through a block's step once more, so that the policy decides what
   * makes room. Where the context length is reached, that step also makes positions compact. (Its
   * own patched prompt may then reach `ahead` positions past the context length, that once.)
   */
  #fit(count: number, ahead: number): Promise<unknown> | undefined {
    const { plan, executor } = this;
    const beyond = this.position + count + ahead > this.#positions.limit;
    if (!beyond && this.hasRoom(count)) return;
    if (!plan.policy.evicts && !beyond) throw fullError(plan, this.token + count);
    const { contextLength } = executor.config;
    if (beyond && plan.positions === 'original') {
      throw new ContextError(
        `position ${this.position + count + ahead} is beyond the model's context of ` +
          `${contextLength}: use positions 'auto' or 'compact'`,
      );
    }
    // where room is short, some layer holds more than its share: this step evicts
    const cut = beyond || this.#positions.recompacts ? 'all' : this.#cutFor(0);
    const again = this.#tail;
    if (again.length === 0)
      throw new ContextError(
        `${count} tokens do not fit into an empty conversation: give fewer at a time`,
      );
    this.token -= again.length;
    const rewound = this.layers.rewind(this.mark());
    this.#tail = [];
    return Promise.all([rewound, this.#block(again, beyond || this.#positions.recompacts, cut)]);
  }

  /** Asks for a step. `compact`: rows are turned to the positions before plan.compactBase. */
  async #block(block: readonly number[], compact: boolean, cut: Cut): Promise<void> {
    const { plan } = this;
    const { policy } = plan;
    const count = block.length;
    const evicts = cut !== 'none';
    const rates = cut === 'all' || policy.accumulates;
    let prompt: readonly number[] | undefined;
    if (rates && policy.observe.queries === 'patched') {
      const given = this.prompt(block);
      prompt = (given.length > 0 ? given : block).slice(0, plan.promptTokens);
    }
    const layerRows = this.#rowsKept(compact);
    const done = this.layers.step(block, prompt, {
      position: this.position,
      token: this.token,
      count,
      rates,
      patched: prompt !== undefined,
      evicts,
      compact,
      base: this.#positions.base,
      layerRows,
    });
    this.token += count;
    if (evicts) {
      this.evictions++;
      this.#evictedAt = this.token;
      this.ledger.evict(this.token, plan[layerRows], Math.min(plan.sinks, this.token));
    } else this.ledger.append(count);
    if (compact) {
      this.#positions.compacted(this.token);
      this.#tail = [];
    } else this.#remember(block);
    await done;
  }
}
