// Adapters (LoRA) as a model knows them: which matrices they change, and how much. Plain data,
// which workers are sent; how files say it is read elsewhere (gguf-adapter.ts, peft.ts).
import { checksum, EMPTY_CHECKSUM } from '../../cache/checksum.ts';

/** The matrices of a layer that adapters may change: GGUF's name, and Hugging Face's. */
export const targets = {
  q: { gguf: 'attn_q', peft: 'self_attn.q_proj' },
  k: { gguf: 'attn_k', peft: 'self_attn.k_proj' },
  v: { gguf: 'attn_v', peft: 'self_attn.v_proj' },
  o: { gguf: 'attn_output', peft: 'self_attn.o_proj' },
  gate: { gguf: 'ffn_gate', peft: 'mlp.gate_proj' },
  up: { gguf: 'ffn_up', peft: 'mlp.up_proj' },
  down: { gguf: 'ffn_down', peft: 'mlp.down_proj' },
} as const;

export type Target = keyof typeof targets;

export const targetNames = Object.keys(targets) as Target[];

export const isTarget = (name: string): name is Target => Object.hasOwn(targets, name);

/** GGUF's name of a layer's matrix: 'blk.0.attn_q.weight'. */
export const matrixOf = (layer: number, target: Target): string =>
  `blk.${layer}.${targets[target].gguf}.weight`;

/** Layer and target of a matrix by GGUF's name; undefined where it is none of these. */
export function placeOf(matrix: string): { layer: number; target: Target } | undefined {
  const [, layer, name] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(matrix) ?? [];
  const target = targetNames.find((key) => targets[key].gguf === name);
  return target && { layer: Number(layer), target };
}

/** A pair's matrices, as GGUF calls them: A [r, k] and B [m, r]. */
export const sides = ['lora_a', 'lora_b'] as const;
export type Side = (typeof sides)[number];

/** How a pair's matrix is called in memory, beside those of the model and of other adapters. */
export const tensorOf = (matrix: string, side: Side, adapter: number): string =>
  `${matrix}.${side}@${adapter}`;

/** What an adapter has for a matrix. */
export interface PairSpec {
  /** GGUF's name of the matrix. */
  readonly matrix: string;
  readonly rank: number;
  /** What its product is multiplied by, alpha and the adapter's own scale included. */
  readonly scale: number;
}

export interface AdapterSpec {
  /** The path, URL or kind of input it came from. */
  readonly name: string;
  /** What it was loaded with. At 0 it has no pairs: it would add nothing. */
  readonly scale: number;
  readonly pairs: readonly PairSpec[];
  /** A number made of all its bytes: two adapters that have the same are the same. */
  readonly checksum: number;
}

/**
 * A number made of all that adapters add, and how much of it; 0 where they add nothing. Keys and
 * values that were made with other adapters are those of another model.
 */
export function identityOf(adapters: readonly AdapterSpec[] = []): number {
  const words = adapters
    .filter(({ pairs }) => pairs.length > 0)
    .flatMap(({ checksum: sum, scale }) => [sum, ...new Int32Array(Float64Array.of(scale).buffer)]);
  return words.length === 0 ? 0 : checksum(EMPTY_CHECKSUM, Int32Array.from(words));
}

/** The highest rank there is; 0 where no adapter adds anything. */
export const highestRank = (adapters: readonly AdapterSpec[] = []): number =>
  adapters.reduce((most, { pairs }) => pairs.reduce((m, { rank }) => Math.max(m, rank), most), 0);
