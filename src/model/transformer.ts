// A model, or consecutive layers of it, as the engine holds it: the forward pass (forward.ts), and
// what goes with it. Where a model is split by layers each part takes the hidden states that the
// one before left, and layers are numbered within the part.
import type { Backend, Drawing } from '../backend/backend.ts';
import type { Address } from '../backend/tensor.ts';
import type { ModelConfig } from './config.ts';
import { draw, forward, type ForwardPass, type Input, logits, type Network } from './forward.ts';
import { createRotary } from './rotary.ts';
import type { ModelWeights } from './weights.ts';
import { reserveScratch, scratchShapes, type Workspace, Workspaces } from './workspace.ts';

export interface Transformer extends Network {
  /**
   * Reserves activations for passes of up to `tokens` tokens, worked on `piece` (default: all) at a
   * time. Conversations share what they need only during a pass. `coarse`: products may round
   * activations to 8 bits.
   */
  createWorkspace(tokens: number, piece?: number, coarse?: boolean): Workspace;
  /** T of an input. */
  countOf(input: Input): number;
  /**
   * Runs T tokens through all layers, appending T rows to every head. Leaves the last hidden states
   * in workspace.x.
   */
  forward(input: Input, pass: ForwardPass): void;
  /**
   * Rows of the embedding, f32 [n, D], of tokens, where the model's first layers are here. Throws
   * DeviceError where memory ends.
   */
  embed(tokens: readonly number[]): Promise<Float32Array<ArrayBuffer>>;
  /** Hidden states [T, D] after the last pass. */
  hidden(workspace: Workspace, T: number): Promise<Float32Array<ArrayBuffer>>;
  /** Log-odds [V] after token t of the last pass. */
  logits(workspace: Workspace, t: number): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Draws the token behind token t of the last pass: i32 at `to`. Only where the backend can.
   */
  draw(workspace: Workspace, t: number, to: Address, by: Drawing, random: number): void;
}

/** Tokens embedded at once. */
const EMBED_TOKENS = 64;

export function createTransformer(
  config: ModelConfig,
  weights: ModelWeights,
  backend: Backend,
): Transformer {
  const D = config.width;
  const rotaries = config.ropes.map((rope) =>
    createRotary(rope, rope.factors ? weights.factors.get(rope.factors) : undefined),
  );
  const network: Network = { config, backend, weights, rotaries };
  const workspaces = new Workspaces(config, backend);
  const countOf = (input: Input) =>
    input instanceof Float32Array ? input.length / D : 'ids' in input ? input.count : input.length;

  const rounded = ({ coarse }: Workspace, run: () => void) =>
    coarse && backend.inEightBits ? backend.inEightBits(run) : run();

  return {
    ...network,
    createWorkspace: (tokens, piece = tokens, coarse) => workspaces.open(tokens, piece, coarse),
    countOf,
    forward(input, pass) {
      const count = countOf(input);
      if (!(input instanceof Float32Array) && weights.first > 0)
        throw new RangeError(`layers from ${weights.first} on were given tokens`);
      if (count > pass.workspace.tokens)
        throw new RangeError(
          `${count} tokens in one pass, the workspace holds ${pass.workspace.tokens}`,
        );
      rounded(pass.workspace, () => forward(network, input, count, pass));
    },
    async embed(tokens) {
      const ids = backend.arena.allocate(EMBED_TOKENS * (1 + D) * 4);
      const rows = { address: ids + EMBED_TOKENS * 4, columns: D };
      const parts: Promise<Float32Array>[] = [];
      let release = () => {};
      try {
        release = reserveScratch(backend, scratchShapes(config, 1));
        for (let at = 0; at < tokens.length; at += EMBED_TOKENS) {
          const part = tokens.slice(at, at + EMBED_TOKENS);
          backend.write(ids, Int32Array.from(part));
          backend.embed(rows, weights.embedding!, ids, part.length);
          parts.push(backend.readFloats(rows.address, part.length * D));
        }
      } finally {
        release();
        backend.arena.free(ids);
      }
      const out = new Float32Array(tokens.length * D);
      for (const [i, part] of parts.entries()) out.set(await part, i * EMBED_TOKENS * D);
      return out;
    },
    hidden: (s, T) => backend.readFloats(s.x.address, T * D),
    logits(s, t) {
      rounded(s, () => logits(network, s, t));
      return backend.readFloats(s.shared.logits.address, config.vocabulary);
    },
    draw: (s, t, to, by, random) => rounded(s, () => draw(network, s, t, to, by, random)),
  };
}
