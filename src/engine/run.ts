// One conversation in the engine: where it stands, what a block's step has to do, and when room
// must be made. It takes tokens in blocks and keeps within its plan; it knows no text. The layers
// themselves do the steps (`stage.ts`), here or in workers (`executor.ts`); what they will hold is
// known before (`ledger.ts`), so that a step can be asked for while the one before is still on its
// way. `prefill.ts` and `decode.ts` use it.
import type { Again, BytesOut, Stored, Tag } from '../cache/stored.ts';
import { beyondError, type Cut, cutFor, noRoomError } from './cut.ts';
import type { Executor, Layers } from './executor.ts';
import { Ledger } from './ledger.ts';
import type { Purpose } from './marks.ts';
import { Newest } from './newest.ts';
import { fullError, type Plan } from './plan.ts';
import { Positions } from './positions.ts';
import { awaitedLater } from './prefill.ts';
import type { Drawing } from '../backend/backend.ts';
import type { Mark } from '../backend/state.ts';
import { ORIGINAL } from './block.ts';
import type { Restored } from './stage.ts';

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
  readonly ledger: Ledger;
  readonly #positions: Positions;
  readonly #newest: Newest;
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
    this.#newest = new Newest(plan, (mark) => void awaitedLater(this.layers.mark(mark)));
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
    this.#newest.expect(this.token, tokens.length, this.#evictedAt);
    const done = this.layers.append(tokens, { position: this.position, token: this.token });
    this.token += tokens.length;
    this.ledger.append(tokens.length);
    this.#newest.add(tokens);
    await Promise.all([made, done]);
  }

  /** Tokens that can be appended without evicting first, and a patched prompt behind them. */
  get room(): number {
    const positions = this.#positions.limit - this.position;
    return Math.max(0, Math.min(positions, this.ledger.room - this.plan.promptTokens));
  }

  get draws(): boolean {
    return this.layers.draw !== undefined;
  }

  /**
   * Draws tokens one after the other, by a random number each, the first behind token `last` of the
   * last step or extension; each is appended, the last only if that is said. There must be room.
   */
  async draw(
    last: number,
    by: Drawing,
    randoms: readonly number[],
    appendsLast: boolean,
  ): Promise<readonly number[]> {
    const place = { position: this.position, token: this.token };
    const appended = randoms.length - (appendsLast ? 0 : 1);
    this.#newest.expect(this.token, appended, this.#evictedAt);
    const done = this.layers.draw!(last, by, randoms, place, appendsLast);
    this.token += appended;
    this.ledger.append(appended);
    const tokens = await done;
    this.#newest.add(tokens.slice(0, appended));
    return tokens;
  }

  /** Takes back the newest tokens, which were appended since the last step. */
  async takeBack(count: number): Promise<void> {
    if (count === 0) return;
    this.token -= count;
    const mark = this.#newest.before(this.token);
    const done: Promise<unknown>[] = [this.layers.rewind(mark)];
    this.ledger.append(-count);
    // where the place itself is not marked, the tokens before it go in again
    const again = this.#newest.takeBack(count, this.token, mark);
    const position = this.position - again.length;
    if (again.length > 0) done.push(this.layers.append(again, { position, token: mark.token }));
    await Promise.all(done);
  }

  /** Makes room for `count` tokens, where they do not fit: the newest go through a step again. */
  async makeRoom(count: number): Promise<void> {
    await this.#fit(count, 0);
  }

  /** Marks where it stands: rewind() goes back there. There is one mark for each purpose. */
  mark(purpose: Purpose): Mark {
    return this.#newest.mark(purpose, this.token);
  }

  /**
   * Goes back to a mark, whatever happened since: rows that were evicted for the sake of later
   * tokens stay evicted. `newest` are the tokens before it, as many as a block at least. Afterwards
   * all layers are done. Where some have a state that was not marked there, or lack rows of their
   * window, it goes back further, at worst to the beginning: the rest has to be read (`token`).
   */
  async rewind(given: Mark, newest: readonly number[]): Promise<void> {
    if (given.token >= this.token) return;
    const mark = this.#newest.nearest(given, this.#evictedAt);
    if (!mark) return this.clear();
    await this.#goBack(mark, newest.slice(0, newest.length - (given.token - mark.token)));
  }

  async #goBack(mark: Mark, newest: readonly number[]): Promise<void> {
    const { token } = mark;
    const whole = token >= this.#evictedAt;
    const done = this.layers.rewind(mark);
    this.#newest.forget(token);
    if (whole) this.ledger.append(token - this.token);
    this.token = token;
    this.#positions.takenBack(token);
    const since = this.#positions.areCompact ? this.#positions.rebasedAt : 0;
    const most = Math.min(this.plan.blockSize, token - since);
    this.#newest.set(newest.slice(Math.max(0, newest.length - most)));
    const rows = await done;
    if (!whole) {
      this.#evictedAt = token;
      this.ledger.set(rows);
    }
  }

  /** What `read`, which must not keep them, makes of the log-odds [V] after token `last`. */
  read<T>(last: number, read: (logits: Float32Array) => T): Promise<T> {
    return this.layers.logits(last, read);
  }

  logits(last: number): Promise<Float32Array> {
    return this.read(last, (logits) => logits.slice());
  }

  /** Forgets everything said. */
  async clear(): Promise<void> {
    const done = this.layers.clear();
    const rows = this.ledger.rows.map(() => 0);
    this.#stand({ token: 0, base: this.#positions.first, rebasedAt: 0, rows }, []);
    await done;
  }

  /** Stores where it stands and all rows, under a tag; `again` lends what was stored later. */
  async save(tag: Tag, out: BytesOut, again?: Again): Promise<void> {
    const { base, rebasedAt } = this.#positions;
    await this.layers.snapshots.save({ token: this.token, base, rebasedAt }, tag, out, again);
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
    this.#newest.renew(base === ORIGINAL ? newest.slice(-this.plan.blockSize) : []);
    this.ledger.set(rows);
  }

  /** Which layers have to be cut once T tokens have been appended (cut.ts). */
  #cutFor(T: number): Cut {
    return cutFor(this.ledger, this.plan, this.#rowsKept(false), this.token, T);
  }

  /** Which rows layers may keep: once positions are compact, what the context has room for. */
  #rowsKept(compact: boolean): 'layerRows' | 'compactRows' {
    return compact || this.#positions.areCompact ? 'compactRows' : 'layerRows';
  }

  /**
   * Makes sure that `count` tokens fit, and `ahead` positions behind them: if not, the newest
   * tokens are taken back and go through a block's step once more, so that the policy decides what
   * makes room. At the context length that step also makes positions compact. (Its own patched
   * prompt may then reach `ahead` positions past it, that once.)
   */
  #fit(count: number, ahead: number): Promise<unknown> | undefined {
    const { plan, executor } = this;
    const beyond = this.position + count + ahead > this.#positions.limit;
    if (!beyond && this.room >= count) return;
    if (!plan.policy.evicts && !beyond) throw fullError(plan, this.token + count);
    if (beyond && plan.positions === 'original')
      throw beyondError(this.position + count + ahead, executor.config.contextLength);
    // where room is short, some layer holds more than its share: this step evicts
    const cut = beyond || this.#positions.recompacts ? 'all' : this.#cutFor(0);
    const { mark, tokens: again } = this.#newest.takeAgain(this.token);
    // (a patched prompt alone rates rows, too)
    if (again.length === 0 && plan.policy.observe.queries !== 'patched') throw noRoomError(count);
    this.token = mark.token;
    const rewound = again.length > 0 && this.layers.rewind(mark);
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
    this.#newest.expect(this.token, count, this.#evictedAt);
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
      this.#newest.clear();
    } else this.#newest.add(block);
    await done;
  }
}
