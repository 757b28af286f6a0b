// Adapters as files: llama.cpp's GGUF, and PEFT's safetensors with its adapter_config.json. They
// are given as pieces, which lie where the caller's numbers are: nothing is copied but rows whose
// order differs.
import { weightTypes } from '../../backend/dtype.ts';
import type { ModelConfig } from '../config.ts';
import { joined } from '../../math/joined.ts';
import { ggufHeader, keysOf, padding } from '../gguf-writer.ts';
import { peftRow, rowOrder } from './order.ts';
import { moduleOf } from './peft.ts';
import { sides } from './spec.ts';

/** What an adapter has for a matrix: y += (alpha / rank) (x A^T) B^T. */
export interface PairData {
  /** GGUF's name of the matrix: 'blk.0.attn_q.weight'. */
  readonly matrix: string;
  readonly rank: number;
  /** A [rank, k], row after row. */
  readonly a: Float32Array;
  /** B [m, rank], rows as GGUF has those of the matrix. */
  readonly b: Float32Array;
}

export interface AdapterData {
  readonly name: string;
  readonly alpha: number;
  readonly pairs: readonly PairData[];
}

const f32 = weightTypes.find(({ name }) => name === 'f32')!;
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** The pieces of a GGUF adapter for a model. */
export function ggufAdapter(
  { name, alpha, pairs }: AdapterData,
  { architecture }: Pick<ModelConfig, 'architecture'>,
): Uint8Array[] {
  const keys = keysOf({
    'general.architecture': architecture,
    'general.type': 'adapter',
    'adapter.type': 'lora',
    'general.name': name,
    'adapter.lora.alpha': alpha,
  });
  const tensors = pairs.flatMap(({ matrix, rank, a, b }) =>
    [a, b].map((numbers, side) => ({
      name: `${matrix}.${sides[side]}`,
      shape: side === 0 ? [a.length / rank, rank] : [rank, b.length / rank],
      type: f32,
      byteLength: numbers.byteLength,
      bytes: bytesOf(numbers),
    })),
  );
  return [
    ggufHeader(keys, tensors),
    ...tensors.flatMap(({ bytes }) => [bytes, padding(bytes.length)]),
  ];
}

export type PeftModel = Pick<ModelConfig, 'ropes' | 'layerSpecs' | 'layers'>;

/** The pieces of PEFT's adapter_model.safetensors for a model, and its adapter_config.json. */
export function peftAdapter(
  { name, alpha, pairs }: AdapterData,
  model: PeftModel,
): { tensors: Uint8Array[]; config: string } {
  const tensors = pairs.flatMap(({ matrix, rank, a, b }) => {
    const prefix = `base_model.model.${moduleOf(matrix)}`;
    return [
      { name: `${prefix}.lora_A.weight`, shape: [rank, a.length / rank], bytes: bytesOf(a) },
      {
        name: `${prefix}.lora_B.weight`,
        shape: [b.length / rank, rank],
        bytes: bytesOf(inPeftOrder(b, rank, rowOrder(matrix, model))),
      },
    ];
  });
  return {
    tensors: [safetensorsHeader(tensors), ...tensors.map(({ bytes }) => bytes)],
    config: `${JSON.stringify(configOf(name, alpha, pairs, model), undefined, 2)}\n`,
  };
}

/** Rows of B as Hugging Face has those of the matrix. */
function inPeftOrder(b: Float32Array, rank: number, heads: number | undefined): Float32Array {
  if (heads === undefined) return b;
  const out = new Float32Array(b.length);
  const rows = b.length / rank;
  for (let row = 0; row < rows; row++)
    out.set(b.subarray(row * rank, (row + 1) * rank), peftRow(row, rows / heads) * rank);
  return out;
}

function safetensorsHeader(
  tensors: readonly { name: string; shape: readonly number[]; bytes: Uint8Array }[],
): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, shape, bytes }) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }] as const;
  });
  const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const utf8 = new TextEncoder().encode(json);
  // numbers behind it lie at multiples of 8
  const spaces = new Uint8Array((8 - (utf8.length % 8)) % 8).fill(0x20);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(utf8.length + spaces.length), true);
  return joined([new Uint8Array(length.buffer), utf8, spaces]);
}

/** What PEFT 0.14 and newer read. */
function configOf(
  name: string,
  alpha: number,
  pairs: readonly PairData[],
  { layers }: PeftModel,
): Readonly<Record<string, unknown>> {
  const rank = pairs[0]?.rank ?? 1;
  const modules = pairs.map(({ matrix }) => moduleOf(matrix));
  const short = [...new Set(modules.map((module) => module.slice(module.lastIndexOf('.') + 1)))];
  const others = pairs.flatMap(({ matrix, rank: r }) =>
    r === rank ? [] : [[moduleOf(matrix), r]],
  );
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: name,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    rank_pattern: Object.fromEntries(others),
    alpha_pattern: {},
    // by their last names, where all layers have them
    target_modules: pairs.length === layers * short.length ? short : modules,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
    use_dora: false,
    use_rslora: false,
  };
}
