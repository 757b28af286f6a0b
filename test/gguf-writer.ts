// Writes small GGUF files for tests, honest ones and ones that lie.
const U32 = 4;
const F32 = 6;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

export type MetadataValue =
  | string
  | number
  | boolean
  | readonly string[]
  | readonly number[]
  | { readonly f32: number }
  | { readonly raw: Uint8Array };

export interface TensorSpec {
  readonly name: string;
  /** Columns first, as GGUF lists them. */
  readonly shape: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Uint8Array;
  /** Where the header says the data begin; default: where they do. */
  readonly offset?: number | bigint;
}

export interface GgufSpec {
  readonly magic?: string;
  readonly version?: number;
  readonly metadata: Readonly<Record<string, MetadataValue>>;
  readonly tensors: readonly TensorSpec[];
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
}

const ALIGNMENT = 32;

class Writer {
  bytes: number[] = [];
  u32(n: number): void {
    for (let i = 0; i < 4; i++) this.bytes.push((n >>> (8 * i)) & 255);
  }
  u64(n: number | bigint): void {
    const big = BigInt.asUintN(64, BigInt(n));
    for (let i = 0n; i < 8n; i++) this.bytes.push(Number((big >> (8n * i)) & 255n));
  }
  f32(n: number): void {
    this.bytes.push(...new Uint8Array(new Float32Array([n]).buffer));
  }
  text(s: string): void {
    const utf8 = new TextEncoder().encode(s);
    this.u64(utf8.length);
    this.bytes.push(...utf8);
  }
  value(value: MetadataValue): void {
    if (typeof value === 'string') {
      this.u32(STRING);
      this.text(value);
    } else if (typeof value === 'boolean') {
      this.u32(BOOL);
      this.bytes.push(value ? 1 : 0);
    } else if (typeof value === 'number') {
      this.u32(U32);
      this.u32(value);
    } else if ('f32' in value) {
      this.u32(F32);
      this.f32(value.f32);
    } else if ('raw' in value) for (const byte of value.raw) this.bytes.push(byte);
    else {
      this.u32(ARRAY);
      const texts = typeof value[0] === 'string';
      this.u32(texts ? STRING : F32);
      this.u64(value.length);
      for (const item of value) {
        if (texts) this.text(item as string);
        else this.f32(item as number);
      }
    }
  }
}

export function writeGguf(spec: GgufSpec): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  w.bytes.push(...new TextEncoder().encode(spec.magic ?? 'GGUF'));
  w.u32(spec.version ?? 3);
  w.u64(spec.tensorCount ?? spec.tensors.length);
  w.u64(spec.keyCount ?? Object.keys(spec.metadata).length);
  for (const [key, value] of Object.entries(spec.metadata)) {
    w.text(key);
    w.value(value);
  }
  let offset = 0;
  for (const tensor of spec.tensors) {
    w.text(tensor.name);
    w.u32(tensor.shape.length);
    for (const n of tensor.shape) w.u64(n);
    w.u32(tensor.type);
    w.u64(tensor.offset ?? offset);
    offset += Math.ceil(tensor.data.length / ALIGNMENT) * ALIGNMENT;
  }
  const start = Math.ceil(w.bytes.length / ALIGNMENT) * ALIGNMENT;
  const out = new Uint8Array(start + offset);
  out.set(w.bytes);
  offset = start;
  for (const tensor of spec.tensors) {
    out.set(tensor.data, offset);
    offset += Math.ceil(tensor.data.length / ALIGNMENT) * ALIGNMENT;
  }
  return out;
}

/** Makes tensors of random f32 between -1/2 and 1/2, one after the other from one seed. */
export function randomTensors(seed: number): (name: string, ...shape: number[]) => TensorSpec {
  let state = seed;
  const next = () => (state = (state * 16807) % 2147483647) / 2147483647 - 0.5;
  return (name, ...shape) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = new Uint8Array(Float32Array.from({ length: count }, next).buffer);
    return { name, shape, type: 0, data };
  };
}

/** A llama of one layer, 8 wide, with a vocabulary of bytes: the smallest file that loads. */
export function smallLlama(
  change: {
    metadata?: Record<string, MetadataValue | undefined>;
    tensors?: (tensors: TensorSpec[]) => TensorSpec[];
  } = {},
): GgufSpec {
  const D = 8;
  const V = 260;
  const printable = (b: number) =>
    (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let extra = 0;
  const bytes = Array.from({ length: 256 }, (_, b) =>
    printable(b) ? String.fromCodePoint(b) : String.fromCodePoint(256 + extra++),
  );
  const tokens = [...bytes, 'th', 'he', 'the', '<|end|>'];
  const metadata: Record<string, MetadataValue | undefined> = {
    'general.architecture': 'llama',
    'general.name': 'small',
    'llama.context_length': 64,
    'llama.embedding_length': D,
    'llama.block_count': 1,
    'llama.feed_forward_length': 16,
    'llama.attention.head_count': 2,
    'llama.attention.head_count_kv': 1,
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.merges': ['t h', 'h e', 'th e'],
    'tokenizer.ggml.eos_token_id': V - 1,
    ...change.metadata,
  };
  const tensor = randomTensors(1);
  const tensors = [
    tensor('token_embd.weight', D, V),
    tensor('output_norm.weight', D),
    tensor('blk.0.attn_norm.weight', D),
    tensor('blk.0.attn_q.weight', D, 8),
    tensor('blk.0.attn_k.weight', D, 4),
    tensor('blk.0.attn_v.weight', D, 4),
    tensor('blk.0.attn_output.weight', 8, D),
    tensor('blk.0.ffn_norm.weight', D),
    tensor('blk.0.ffn_gate.weight', D, 16),
    tensor('blk.0.ffn_up.weight', D, 16),
    tensor('blk.0.ffn_down.weight', 16, D),
  ];
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata).filter(([, v]) => v !== undefined),
    ) as Record<string, MetadataValue>,
    tensors: change.tensors ? change.tensors(tensors) : tensors,
  };
}
