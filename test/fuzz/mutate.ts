// Takes GGUF files apart, changes them at random, and puts them together again: fields and lengths
// that lie, keys and tensors that are gone, twice there, of other types, odd numbers, texts and
// weights.
import { createRandom } from '../../src/math/rng.ts';

type Value = number | bigint | boolean | Uint8Array;

interface Key {
  name: Uint8Array;
  type: number;
  /** Of an array. */
  of?: number;
  values: Value[];
  /** What the array says of its length; default: the truth. */
  count?: bigint;
}

interface Tensor {
  name: Uint8Array;
  shape: bigint[];
  type: number;
  offset: bigint;
}

export interface Parts {
  version: number;
  keys: Key[];
  tensors: Tensor[];
  data: Uint8Array;
  tensorCount?: bigint;
  keyCount?: bigint;
}

const STRING = 8;
const ARRAY = 9;
const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const utf8 = (text: string) => new TextEncoder().encode(text);
export const nameOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Takes a file apart that is known to be fine. */
export function takeApart(file: Uint8Array): Parts {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let at = 4;
  const u32 = () => view.getUint32((at += 4) - 4, true);
  const u64 = () => view.getBigUint64((at += 8) - 8, true);
  const bytes = (count: number) => file.slice(at, (at += count));
  const text = () => bytes(Number(u64()));
  const value = (type: number): Value => {
    if (type === STRING) return text();
    const from = at;
    at += sizes[type];
    if (type === 6) return view.getFloat32(from, true);
    if (type === 12) return view.getFloat64(from, true);
    if (type === 7) return file[from] !== 0;
    if (sizes[type] === 8) return view.getBigUint64(from, true);
    return [0, file[from], view.getUint16(from, true), 0, view.getUint32(from & -1, true)][
      sizes[type]
    ];
  };
  const version = u32();
  const [tensorCount, keyCount] = [Number(u64()), Number(u64())];
  const keys = Array.from({ length: keyCount }, (): Key => {
    const name = text();
    const type = u32();
    if (type !== ARRAY) return { name, type, values: [value(type)] };
    const of = u32();
    const count = Number(u64());
    return { name, type, of, values: Array.from({ length: count }, () => value(of)) };
  });
  const tensors = Array.from({ length: tensorCount }, (): Tensor => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64);
    return { name, shape, type: u32(), offset: u64() };
  });
  return { version, keys, tensors, data: file.slice(Math.ceil(at / 32) * 32) };
}

export function putTogether(parts: Parts): { file: Uint8Array<ArrayBuffer>; headerBytes: number } {
  const pieces: Uint8Array[] = [utf8('GGUF')];
  const fixed = (size: number, write: (view: DataView) => void) => {
    const view = new DataView(new ArrayBuffer(size));
    write(view);
    pieces.push(new Uint8Array(view.buffer));
  };
  const u32 = (n: number) => fixed(4, (v) => v.setUint32(0, n, true));
  const u64 = (n: bigint) => fixed(8, (v) => v.setBigUint64(0, BigInt.asUintN(64, n), true));
  const text = (bytes: Uint8Array) => {
    u64(BigInt(bytes.length));
    pieces.push(bytes);
  };
  const whole = (value: Value): bigint =>
    typeof value === 'bigint'
      ? value
      : value instanceof Uint8Array
        ? 0n
        : BigInt(Number.isFinite(Number(value)) ? Math.trunc(Number(value)) : 0);
  const value = (type: number, v: Value) => {
    if (type === STRING) text(v instanceof Uint8Array ? v : utf8(String(v)));
    else if (type === 6)
      fixed(4, (view) => view.setFloat32(0, v instanceof Uint8Array ? 0 : Number(v), true));
    else if (type === 12)
      fixed(8, (view) => view.setFloat64(0, v instanceof Uint8Array ? 0 : Number(v), true));
    else if (sizes[type] > 0)
      fixed(8, (view) => view.setBigUint64(0, BigInt.asUintN(64, whole(v)), true));
    if (sizes[type] > 0 && sizes[type] < 8 && type !== 6)
      pieces.push(pieces.pop()!.slice(0, sizes[type]));
  };
  u32(parts.version);
  u64(parts.tensorCount ?? BigInt(parts.tensors.length));
  u64(parts.keyCount ?? BigInt(parts.keys.length));
  for (const key of parts.keys) {
    text(key.name);
    u32(key.type);
    if (key.type === ARRAY) {
      u32(key.of ?? 4);
      u64(key.count ?? BigInt(key.values.length));
    }
    for (const v of key.values) value(key.type === ARRAY ? (key.of ?? 4) : key.type, v);
  }
  for (const tensor of parts.tensors) {
    text(tensor.name);
    u32(tensor.shape.length);
    for (const n of tensor.shape) u64(n);
    u32(tensor.type);
    u64(tensor.offset);
  }
  const headerBytes = pieces.reduce((sum, p) => sum + p.length, 0);
  pieces.push(new Uint8Array((32 - (headerBytes % 32)) % 32), parts.data);
  const file = new Uint8Array(pieces.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return { file, headerBytes };
}

const oddNumbers = [
  0,
  1,
  2,
  3,
  5,
  7,
  8,
  31,
  63,
  64,
  255,
  1000,
  65535,
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  -1,
  0.5,
  -0.5,
  1e-45,
  1e-6,
  3e38,
  1e300,
];
const oddFloats = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  -1,
  1e-45,
  3e38,
  -3e38,
];
const oddWhole = [
  0n,
  1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 32n,
];
const oddTexts = [
  '',
  ' ',
  '\0',
  '\uFEFF',
  '\uFEFFa',
  '▁',
  'Ġ',
  'the',
  '<s>',
  '</s>',
  '<0x00>',
  '<0xZZ>',
  '🙂',
  'é'.normalize('NFD'),
  'a b',
  'a  b',
  ' a',
  'a ',
  'x'.repeat(5000),
  '__proto__',
  'constructor',
  'toString',
  '[a-z]+(',
  '(a+)+$',
  'null',
  'llama',
  'qwen2',
  'qwen3',
  'gpt2',
  'bert',
  'linear',
  'yarn',
  'longrope',
  'none',
  'default',
  'llama-bpe',
  'qwen2',
  'smollm',
  'adapter',
  'clip',
];
const oddTemplates = [
  '{{ messages }}',
  '{% for m in messages %}{{ m.content }}{% endfor %}',
  '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}',
  '{{ raise_exception("no") }}',
  '{% set x = namespace(a=1) %}{{ x.a }}{{ bos_token }}{{ eos_token }}',
  '{% if messages[0].role == "system" %}{{ raise_exception("no system") }}{% endif %}{{ messages[-1].content }}',
  '{{ messages[100].content }}',
  '{{ missing.deeper.still }}',
  '{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}',
  '{{',
  '{% endif %}',
  '{% for m in %}',
  `${'('.repeat(3000)}`,
  `{{ ${'('.repeat(20000)}1${')'.repeat(20000)} }}`,
  `{{ ${'['.repeat(3000)}${']'.repeat(3000)} }}`,
  `${'{% if true %}'.repeat(3000)}${'{% endif %}'.repeat(3000)}`,
  '{{ messages | tojson }}',
  '{{ strftime_now("%Y") }}',
  '{{ "".join([1,2]) }}',
  '{{ 1 / 0 }}{{ 5 % 0 }}',
  '',
];
/**
 * Programs that end no time soon, or with the process: a template is run whole, nothing can stop it
 * from outside.
 */
const runawayTemplates = [
  '{% for i in range(1000000000) %}x{% endfor %}',
  '{% for a in range(5000) %}{% for b in range(5000) %}{% for c in range(5000) %}x{% endfor %}{% endfor %}{% endfor %}',
  '{{ "a" * 1000000000 }}',
  '{% set s = "x" %}{% for i in range(60) %}{% set s = s ~ s %}{% endfor %}{{ s }}',
];
const oddKeys = [
  'attention.causal',
  'attention.sliding_window',
  'attention.scale',
  'attention.clamp_kqv',
  'attention.key_length',
  'attention.value_length',
  'rope.dimension_count',
  'rope.freq_base',
  'rope.scale_linear',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.attn_factor',
  'expert_count',
  'logit_scale',
  'vocab_size',
  'pooling_type',
  'something_else',
];
const otherKeys = [
  'general.alignment',
  'general.type',
  'split.count',
  'split.no',
  'tokenizer.ggml.add_space_prefix',
  'tokenizer.ggml.add_bos_token',
  '__proto__',
];

/** Shares of a file's changes: most files are nearly right, so that they get far. */
export function mutate(original: Parts, seed: number, runaways = false): Uint8Array<ArrayBuffer> {
  const rng = createRandom(seed);
  const below = (n: number) => Math.floor(rng() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const parts: Parts = {
    ...original,
    keys: original.keys.map((k) => ({ ...k })),
    tensors: original.tensors.map((t) => ({ ...t, shape: [...t.shape] })),
  };
  const after: ((file: Uint8Array<ArrayBuffer>, headerBytes: number) => Uint8Array<ArrayBuffer>)[] =
    [];
  const key = () => pick(parts.keys) ?? { name: utf8('none'), type: 4, values: [0] };
  const numeric = () =>
    pick(parts.keys.filter((k) => k.type !== STRING && k.type !== ARRAY)) ?? key();
  const array = () => pick(parts.keys.filter((k) => k.type === ARRAY)) ?? key();
  const named = (name: string) => parts.keys.find((k) => nameOf(k.name) === name);
  const tensor = () =>
    pick(parts.tensors) ?? { name: utf8('none'), shape: [1n], type: 0, offset: 0n };
  const oddValue = (type: number): Value =>
    type === STRING ? utf8(pick(oddTexts)) : sizes[type] === 8 ? pick(oddWhole) : pick(oddNumbers);
  const changes: (() => void)[] = [
    () => {
      const k = numeric();
      k.values = [type6(k.type) ? pick(oddFloats) : oddValue(k.type)];
    },
    () => {
      const k = numeric();
      const old = Number(k.values[0] instanceof Uint8Array ? 0 : k.values[0]);
      k.values = [pick([old - 1, old + 1, old * 2, Math.floor(old / 2), old * 1000])];
    },
    () => {
      const k = key();
      k.type = below(14);
      if (k.type === ARRAY) k.of = below(14);
    },
    () => void parts.keys.splice(below(parts.keys.length), 1),
    () => void parts.keys.push({ ...key() }),
    () => {
      const k = key();
      if (k.type === STRING) k.values = [utf8(pick(oddTexts))];
      else k.name = utf8(pick(oddTexts));
    },
    () => {
      const k = array();
      k.values = k.values.slice(0, pick([0, 1, 2, k.values.length - 1, k.values.length >> 1]));
    },
    () => {
      const k = array();
      k.values = [
        ...k.values,
        ...Array.from({ length: pick([1, 3, 500]) }, () => oddValue(k.of ?? 4)),
      ];
    },
    () => {
      const k = array();
      k.values = k.values.slice();
      for (let i = 1 + below(8); i > 0; i--)
        k.values[below(k.values.length || 1)] = type6(k.of) ? pick(oddFloats) : oddValue(k.of ?? 4);
    },
    () => {
      const k = array();
      k.values = k.values.slice().reverse();
    },
    () => {
      const k = array();
      k.values = k.values.map(() => k.values[0]);
    },
    () => {
      array().count = pick([...oddWhole, 3n, 300n]);
    },
    () => {
      const k = array();
      k.of = below(14);
    },
    () => {
      const k = named('tokenizer.chat_template');
      const template = utf8(pick(runaways ? runawayTemplates : oddTemplates));
      if (k) k.values = [template];
      else
        parts.keys.push({
          name: utf8('tokenizer.chat_template'),
          type: STRING,
          values: [template],
        });
    },
    () => {
      const id = pick(['bos', 'eos', 'eot', 'unknown', 'padding']);
      const at = named(`tokenizer.ggml.${id}_token_id`);
      const v = pick([0, 1, 2, 255, 256, 260, 10 ** 6, 2 ** 32 - 1]);
      if (at) at.values = [v];
      else parts.keys.push({ name: utf8(`tokenizer.ggml.${id}_token_id`), type: 4, values: [v] });
    },
    () => {
      const arch = nameOf(
        (named('general.architecture')?.values[0] as Uint8Array) ?? utf8('llama'),
      );
      const type = pick([4, 5, 6, 7, 8, 10]);
      const name = rng() < 0.7 ? `${arch}.${pick(oddKeys)}` : pick(otherKeys);
      parts.keys.push({
        name: utf8(name),
        type,
        values: [type6(type) ? pick([...oddFloats, 1, 2]) : oddValue(type)],
      });
    },
    () => void parts.tensors.splice(below(parts.tensors.length), 1),
    () => void parts.tensors.push({ ...tensor() }),
    () => {
      tensor().name = rng() < 0.5 ? utf8(pick(oddTexts)) : tensor().name;
    },
    () => {
      const t = tensor();
      t.shape = pick([
        [...t.shape].reverse(),
        [...t.shape, 1n],
        [...t.shape, 2n],
        t.shape.slice(1),
        [1n, ...t.shape],
      ]);
    },
    () => {
      const t = tensor();
      t.shape[below(t.shape.length)] = pick([...oddWhole, t.shape[0] + 1n, t.shape[0] * 2n]);
    },
    () => {
      tensor().type = below(45);
    },
    () => {
      tensor().offset = pick([...oddWhole, 32n, 64n, 33n]);
    },
    () => {
      const [a, b] = [tensor(), tensor()];
      [a.offset, b.offset] = [b.offset, a.offset];
    },
    () => {
      parts.tensorCount = pick([
        ...oddWhole,
        BigInt(parts.tensors.length) - 1n,
        BigInt(parts.tensors.length) + 1n,
      ]);
    },
    () => {
      parts.keyCount = pick([
        ...oddWhole,
        BigInt(parts.keys.length) - 1n,
        BigInt(parts.keys.length) + 1n,
      ]);
    },
    () => {
      parts.version = pick([0, 1, 2, 3, 4, 0x03000000]);
    },
    () => {
      parts.data = parts.data.slice();
      for (let i = 1 + below(100); i > 0; i--)
        parts.data[below(parts.data.length || 1)] = below(256);
    },
    () => {
      parts.data = parts.data.slice();
      const from = below(parts.data.length) & -4;
      const floats = new Float32Array(
        parts.data.buffer,
        from,
        Math.min(1 + below(1000), (parts.data.length - from) >> 2),
      );
      floats.fill(pick(oddFloats));
    },
    () =>
      void after.push((file, headerBytes) =>
        rng() < 0.5 ? file.slice(0, below(headerBytes)) : file.slice(0, below(file.length)),
      ),
    () =>
      void after.push((file, headerBytes) => {
        for (let i = 1 + below(4); i > 0; i--) file[below(headerBytes)] = below(256);
        return file;
      }),
    () =>
      void after.push((file, headerBytes) => {
        const view = new DataView(file.buffer);
        view.setBigUint64(below(Math.min(headerBytes, file.length) - 8), pick(oddWhole), true);
        return file;
      }),
  ];
  for (let i = rng() < 0.7 ? 1 : 1 + below(3); i > 0; i--) pick(changes)();
  const { file, headerBytes } = putTogether(parts);
  return after.reduce(
    (bytes, change) =>
      bytes.length > 32 ? change(bytes, Math.min(headerBytes, bytes.length)) : bytes,
    file,
  );
}

const type6 = (type?: number): boolean => type === 6 || type === 12;
