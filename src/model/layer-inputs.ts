// The inputs that each layer of some models has of a token beside the hidden states (Gemma 4): made
// once, before the first layer, of a table of embeddings and of the token's embedding.
//
// L layers, P columns each, T tokens of a piece.
import type { Backend } from '../backend/backend.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import { applyLinear, type Linear } from './linear.ts';

/** Where a model has them: columns of each layer's. */
export interface LayerInputsSpec {
  readonly width: number;
}

export const INPUT_TABLE = 'per_layer_token_embd.weight';
export const INPUT_PROJECTION = 'per_layer_model_proj';
export const INPUT_NORM = 'per_layer_proj_norm.weight';

/** Their tensors. */
export interface LayerInputWeights {
  /** [V L, P]: row t L + l is token t's for layer l. */
  readonly table: Weight;
  /** Of each layer, [P, D]. */
  readonly projections: readonly Linear[];
  /** [P]. */
  readonly norm: Tensor;
}

/** Where they lie, f32 [L][T, P] for a piece, and what they are made of beside it: i32 [L T]. */
export interface LayerInputRoom {
  readonly made: Tensor;
  readonly projected: Tensor;
  readonly ids: Address;
}

/** Those of a layer, of T tokens of a piece. */
export const layerInputOf = ({ address, columns }: Tensor, layer: number, T: number): Tensor => ({
  address: address + layer * T * columns * 4,
  columns,
});

/** e + norm(W x / sqrt(D)), e the table's rows times sqrt(P), all over sqrt(2). */
export function makeLayerInputs(
  backend: Backend,
  w: LayerInputWeights,
  { made, projected, ids }: LayerInputRoom,
  tokens: readonly number[],
  x: Tensor,
  normEps: number,
): void {
  const [L, T] = [w.projections.length, tokens.length];
  const rows = w.projections.flatMap((_, layer) => tokens.map((token) => token * L + layer));
  backend.write(ids, Int32Array.from(rows));
  backend.embed(made, w.table, ids, L * T);
  backend.scale(made, Math.sqrt(made.columns), L * T);
  for (const [layer, linear] of w.projections.entries())
    applyLinear({ backend, T }, [[layerInputOf(projected, layer, T), linear]], x);
  backend.scale(projected, 1 / Math.sqrt(x.columns), L * T);
  backend.rmsNorm(projected, projected, w.norm, L * T, normEps);
  backend.add(made, projected, L * T);
  backend.scale(made, Math.SQRT1_2, L * T);
}
