// A conversation's rows in one side's layers: every token is kept, up to a context that is reserved
// when it is opened. What goes in and comes out are hidden states, or tokens at the client's end.
import { everything } from '../engine/everything.ts';
import { partOf, type Plan, planRun } from '../engine/plan.ts';
import { Stage } from '../engine/stage.ts';
import type { RowType } from '../backend/dtype.ts';
import type { Input } from '../model/forward.ts';
import type { HalfModel } from './load.ts';

/** Of rows at both sides: as openConversation() has them, so that replies are the same. */
export const ROW_TYPE: RowType = 'f16';

/** What is reserved for a conversation. */
export interface ConversationShape {
  /** Most tokens that it has. */
  readonly context: number;
  /** Most tokens that go in at a time. */
  readonly block: number;
  readonly rowType: RowType;
}

/**
 * What a conversation takes in a side's layers (promisedBytes). Throws BudgetError where blocks
 * leave no room in the model's context.
 */
export function planOf({ network }: Pick<HalfModel, 'network'>, shape: ConversationShape): Plan {
  const { config, backend, weights } = network;
  const { context, block, rowType } = shape;
  const placement = { config, backend, layerRanges: [weights], depth: 1 };
  const budget = { tokens: context };
  return planRun(placement, { ...everything, rowType, budget, blockSize: block });
}

export class ConversationLayers {
  readonly #stage: Stage;
  /** Tokens that went in. */
  count = 0;

  /** Throws BudgetError, and DeviceError where memory ends; nothing is left reserved then. */
  constructor(model: Pick<HalfModel, 'network'>, shape: ConversationShape) {
    const { network } = model;
    this.#stage = new Stage(network, partOf(planOf(model, shape), network.weights));
  }

  /**
   * Runs the next tokens through the layers, at most a block: hidden states f32 [T, D] behind them,
   * where the model's last layer is elsewhere.
   */
  append(input: Input): Promise<Float32Array<ArrayBuffer> | undefined> {
    const place = { position: this.count, token: this.count };
    this.count += this.#stage.transformer.countOf(input);
    return this.#stage.append(input, place);
  }

  /** Log-odds [V] after token t of what was appended last, where the model's last layer is here. */
  logits(t: number): Promise<Float32Array> {
    return this.#stage.logits(t);
  }

  /** Takes back all but the first `count` tokens. */
  async rewind(count: number): Promise<void> {
    await this.#stage.state.rewind({ token: count });
    this.count = count;
  }

  dispose(): void {
    this.#stage.dispose();
  }
}
