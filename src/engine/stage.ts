// A conversation's part in consecutive layers of a model: their cache and working memory, reserved
// once. It does what it is told, block by block (block.ts); what is asked of it, and when, run.ts
// decides. The layers before and behind may be elsewhere.
import { valueColumns } from '../backend/dtype.ts';
import type { Drawing } from '../backend/backend.ts';
import type { Cache, Place, TokenSpan } from '../backend/cache.ts';
import { layerShape } from '../backend/cache-shape.ts';
import { FixedState } from '../backend/fixed-state.ts';
import type { State } from '../backend/state.ts';
import type { Address, Scores } from '../backend/tensor.ts';
import type { Standing } from '../cache/stored.ts';
import { OptionError } from '../errors.ts';
import { sum } from '../math/sum.ts';
import { attentionIn } from '../model/blocks/registry.ts';
import type { ForwardPass, Input } from '../model/forward.ts';
import type { Transformer } from '../model/transformer.ts';
import type { Workspace } from '../model/workspace.ts';
import { type Step, stepBlock, stepPrompt } from './block.ts';
import type { Kept } from './evict.ts';
import { MARKS } from './marks.ts';
import { ModelState } from './model-state.ts';
import type { Plan } from './plan.ts';
import { rowBuffers } from './plan-bytes.ts';
import { Turns } from './turns.ts';

/**
 * What a layer kept after a block, for those who draw it. Token numbers of each head's rows,
 * ascending.
 */
export type OnKept = (layer: number, tokens: readonly Int32Array[]) => void;

/** What the next layers need: hidden states of a block, and of its patched prompt. */
export interface Passed {
  readonly block: Float32Array<ArrayBuffer>;
  readonly prompt?: Float32Array<ArrayBuffer>;
}

/** A state that was put back, and how many rows each range has of it. */
export interface Restored extends Standing {
  readonly rows: readonly number[];
}

export class Stage {
  readonly transformer: Transformer;
  /** The plan's part for these layers. */
  readonly plan: Plan;
  readonly cache: Cache;
  /** What layers keep beside rows, where some do. */
  readonly fixed?: FixedState;
  readonly workspace: Workspace;
  readonly turns: Turns;
  /** One f32 or i32 for each row of the fullest layer, by what they hold. */
  readonly room: Readonly<Record<(typeof rowBuffers)[number], Address>>;
  /** Scores of the layers rated so far, where layers are selected from together. */
  ratedLayers?: Scores;
  /** Called at the end of a step; it must not call the stage. */
  onKept?: OnKept;
  /** Layers that keep rows. */
  readonly withRows: readonly number[];
  /** Whether the model's last layer is one of these. */
  readonly isLast: boolean;
  #buffers: Address;
  /** Of each layer, the one whose rows it attends to. */
  readonly #owners: readonly number[];
  #state: State;

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
    const { first, end } = transformer.weights;
    this.#owners = config.layerSpecs
      .slice(first, end)
      .map((layer, i) => (attentionIn(layer)?.rowsOf ?? first + i) - first);
    this.withRows = [...plan.slides.keys()].filter(
      (layer) => layerShape(plan.shape, layer).kvHeads > 0,
    );
    const { observe } = plan.policy;
    const ahead = (observe.queries === 'block' && observe.ahead) || 0;
    const extent = plan.layerCapacity * 4;
    const undo: (() => void)[] = [];
    try {
      this.cache = backend.createCache(plan.shape);
      undo.push(() => this.#state.dispose());
      this.#state = this.cache;
      if (sum(plan.shape.fixedBytes ?? []) > 0) {
        this.fixed = new FixedState(backend, plan.shape.fixedBytes!, MARKS);
        this.#state = new ModelState(this.cache, this.fixed);
      }
      this.workspace = transformer.createWorkspace(
        Math.max(plan.blockSize, plan.promptTokens),
        plan.blockSize,
        // who keeps rows in f32 wants what f32 gives
        plan.shape.rowType !== 'f32',
      );
      undo.push(() => this.workspace.dispose());
      this.#buffers = backend.arena.allocate(extent * rowBuffers.length);
      undo.push(() => backend.arena.free(this.#buffers));
      this.turns = new Turns(transformer, plan.blockSize, ahead);
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    this.room = Object.fromEntries(
      rowBuffers.map((name, i) => [name, this.#buffers + i * extent]),
    ) as Stage['room'];
  }

  /** Whether somebody hears what layers keep. */
  get reports(): boolean {
    return this.onKept !== undefined;
  }

  /**
   * A block's step, and its patched prompt's. Throws at once what goes wrong in the middle of it;
   * what only a device finds out rejects.
   */
  step(block: Input, prompt: Input | undefined, step: Step): Promise<Passed | undefined> {
    const kept: Kept = [];
    stepBlock(this, block, step, kept);
    const passed = this.isLast ? undefined : this.#hidden(step.count);
    if (prompt) stepPrompt(this, prompt, step, kept);
    const behind = prompt && passed && this.#hidden(this.transformer.countOf(prompt));
    // the next read tells a fault: this one, or else that of another conversation
    const done = this.transformer.backend.readInts(this.room.rated, 1);
    return this.#tell(kept, done, passed, behind);
  }

  /** What a step gave, once it is there. */
  async #tell(
    kept: Kept,
    done: Promise<unknown>,
    passed: Promise<Float32Array<ArrayBuffer>> | undefined,
    behind: Promise<Float32Array<ArrayBuffer>> | undefined,
  ): Promise<Passed | undefined> {
    // the next step may be asked for meanwhile, with a listener of its own
    const { onKept } = this;
    const tokens = Promise.all(kept.map((layer) => layer.tokens));
    const [lists, block, prompt] = await Promise.all([tokens, passed, behind, done]);
    for (const [i, { layer }] of kept.entries()) onKept?.(layer, lists[i]);
    return block && { block, prompt };
  }

  /**
   * The layer whose rows a layer rates, and which are cut then: its own, or those that it sees
   * (AttentionSpec.rowsOf) if it is the last one to see them. Undefined where others come.
   */
  rowsSeenBy(layer: number): number | undefined {
    const owner = this.#owners[layer];
    return this.#owners.lastIndexOf(owner) === layer ? owner : undefined;
  }

  /** What a pass through the layers works on. */
  get passing(): Pick<ForwardPass, 'cache' | 'workspace' | 'stateOf'> {
    const { cache, workspace, fixed } = this;
    return { cache, workspace, stateOf: fixed && ((layer) => fixed.of(layer)) };
  }

  /** The same for tokens that are dropped again: what is fixed in size stays as it is. */
  get passingBy(): Stage['passing'] {
    const { fixed } = this;
    if (!fixed) return this.passing;
    const aside = (layer: number, from: number) =>
      from === 0 ? fixed.aside(layer) : fixed.asideNow;
    return { ...this.passing, stateOf: aside };
  }

  /** Appends tokens without rating or evicting. */
  append(tokens: Input, place: Place): Promise<Float32Array<ArrayBuffer> | undefined> {
    this.transformer.forward(tokens, { ...this.passing, ...place });
    return this.isLast
      ? Promise.resolve(undefined)
      : this.#hidden(this.transformer.countOf(tokens));
  }

  /**
   * Draws tokens one after the other, by a random number each, the first behind token t of the last
   * step or extension; each is appended, the last only if `appendsLast`. They are read at once.
   */
  draw(t: number, by: Drawing, randoms: readonly number[], place: Place, appendsLast: boolean) {
    const { transformer, workspace } = this;
    const { ids: first } = workspace.shared;
    randoms.forEach((random, i) => {
      const ids = first + i * 4;
      transformer.draw(workspace, i === 0 ? t : 0, ids, by, random);
      if (i === randoms.length - 1 && !appendsLast) return;
      const { position, token } = place;
      const at = { position: position + i, token: token + i };
      transformer.forward({ ids, count: 1 }, { ...this.passing, ...at });
    });
    return transformer.backend.readInts(first, randoms.length);
  }

  /**
   * Log-odds [V] after token t of the last step or extension, where the model's last layer is here.
   */
  logits(t: number): Promise<Float32Array<ArrayBuffer>> {
    return this.transformer.logits(this.workspace, t);
  }

  /**
   * The layers' state, to be rewound, taken out or put back. That takes many steps, and the
   * conversation may be disposed of between two: throws OptionError then.
   */
  get state(): State {
    if (this.#buffers === 0)
      throw new OptionError('the conversation was disposed of: open another one');
    return this.#state;
  }

  /** Bytes of the state now, and the most that they were. */
  get held(): Pick<State, 'usedBytes' | 'peakBytes'> {
    return this.#state;
  }

  /** How many rows there are of the tokens of each span, in layers that see the whole text. */
  rowsOf(spans: readonly TokenSpan[]): Promise<number[]> {
    const { slides } = this.plan;
    return this.cache.held(
      spans,
      this.withRows.filter((layer) => !slides[layer]),
    );
  }

  dispose(): void {
    this.#state.dispose();
    this.workspace.dispose();
    if (this.#buffers === 0) return;
    this.transformer.backend.arena.free(this.#buffers);
    this.turns.dispose();
    this.#buffers = 0;
  }

  #hidden(count: number): Promise<Float32Array<ArrayBuffer>> {
    return this.transformer.hidden(this.workspace, count);
  }
}

/** Throws OptionError where a policy weighs by values that the kernels cannot project. */
function checkValueTerm({ backend, config, weights }: Transformer, { policy }: Plan): void {
  if (policy.value !== 'projected') return;
  const most = backend.limits.valueColumns;
  for (const [layer, { attentionOutput }] of weights.layers.entries()) {
    const own = attentionIn(config.layerSpecs[weights.first + layer]);
    if (!attentionOutput || !own) continue;
    const { headDim, queryHeads } = own;
    const columns = valueColumns(attentionOutput.type, headDim, queryHeads);
    if (columns <= most) continue;
    throw new OptionError(
      `policy '${policy.name}' weighs rows by their values, which takes ${columns} columns of ` +
        `the output projection a head (heads of ${headDim}, ` +
        `${attentionOutput.type.name}); at most ${most} are possible: choose a policy without a ` +
        `value term, or value: 'none'`,
    );
  }
}
