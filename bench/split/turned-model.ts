// A model whose hidden states are turned: x becomes R x everywhere, R orthogonal, which a norm by
// the root of the mean square does not see, so that what the model computes is the same. Along the
// principal axes a few channels carry most: outlier channels, where the model has none. (Scaling
// channels instead would change that norm.)
//
//   embedding rows e          R e            what reads the stream, rows w, norm g    R (g w), g = 1
//   what writes into it, W    R W            the head, tied to the embedding          R (g e), apart
import { dequantize } from '../../src/backend/dequantize.ts';
import { weightTypes } from '../../src/backend/dtype.ts';
import { UnsupportedError } from '../../src/errors.ts';
import type { TensorInfo } from '../../src/model/gguf.ts';
import { joined } from '../../src/math/joined.ts';
import { ggufHeader, padding } from '../../src/model/gguf-writer.ts';
import { readKeys, readModelHeader } from '../../src/model/rewrite.ts';
import { type ModelInput, type ModelSource, openSource } from '../../src/model/source.ts';

/** What reads the stream, and behind which norm; what writes into it. */
const READERS = /^(blk\.\d+\.)(?:(attn)_[qkv]|(ffn)_(?:gate|up))\.weight$/;
const WRITERS = /^blk\.\d+\.(attn_output|ffn_down)\.weight$/;
const NORMS = /norm\.weight$/;
const [EMBEDDING, HEAD, HEAD_NORM] = ['token_embd', 'output', 'output_norm'].map(
  (name) => `${name}.weight`,
);

/** Rows x of [n, D], times g where there is one, turned: R (g x). */
function turnRows(x: Float32Array, R: Float64Array, D: number, g?: Float32Array): Float32Array {
  return Float32Array.from(x, (_, i) => {
    const [row, to] = [i - (i % D), (i % D) * D];
    let sum = 0;
    for (let c = 0; c < D; c++) sum += R[to + c] * x[row + c] * (g ? g[c] : 1);
    return sum;
  });
}

/** R W of W [D, columns]. */
function turnColumns(W: Float32Array, R: Float64Array, D: number): Float32Array {
  const columns = W.length / D;
  return Float32Array.from(W, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let c = 0; c < D; c++) sum += R[row * D + c] * W[c * columns + column];
    return sum;
  });
}

/** The numbers of all tensors of a model. */
async function numbersIn(source: ModelSource, tensors: readonly TensorInfo[]) {
  const numbers = new Map<string, Float32Array>();
  for (const { name, type, offset, byteLength, rows, columns } of tensors)
    numbers.set(
      name,
      dequantize(type.name, (await source.read(offset, byteLength)).slice(), rows * columns),
    );
  return numbers;
}

/** What a tensor becomes. */
function turned(name: string, numbers: ReadonlyMap<string, Float32Array>, R: Float64Array) {
  const D = Math.sqrt(R.length);
  const x = numbers.get(name)!;
  const [reader, layer, attention, ffn] = READERS.exec(name) ?? [];
  if (reader) return turnRows(x, R, D, numbers.get(`${layer}${attention ?? ffn}_norm.weight`));
  if (WRITERS.test(name)) return turnColumns(x, R, D);
  if (NORMS.test(name)) return new Float32Array(x.length).fill(1);
  if (name === EMBEDDING) return turnRows(x, R, D);
  if (name === HEAD) return turnRows(x, R, D, numbers.get(HEAD_NORM));
  throw new UnsupportedError(`'${name}' cannot be turned: only plain llama models can`);
}

/** The file of a llama model whose hidden states are turned by R [D, D], in f32. */
export async function turnedModel(
  input: ModelInput,
  R: Float64Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const source = await openSource(input);
  const { header, tensors, config } = await readModelHeader(source);
  const keys = await readKeys(source, header);
  const numbers = await numbersIn(source, tensors);
  await source.close();
  const isTied = !numbers.has(HEAD);
  if (isTied) numbers.set(HEAD, numbers.get(EMBEDDING)!);
  const { width: D, vocabulary } = config;
  const shapes = new Map(header.tensors.map(({ name, shape }) => [name, shape]));
  shapes.set(HEAD, [BigInt(D), BigInt(vocabulary)]);
  const type = weightTypes.find((row) => row.name === 'f32')!;
  // factors of the rotary positions stay: they turn heads, not the stream
  const names = [...numbers.keys()];
  const parts = names.map((name) =>
    name === 'rope_freqs.weight' ? numbers.get(name)! : turned(name, numbers, R),
  );
  const entries = names.map((name, i) => ({
    ...{ name, type, shape: shapes.get(name)! },
    byteLength: parts[i].byteLength,
  }));
  return joined([
    ggufHeader(keys, entries),
    ...parts.flatMap((part) => [new Uint8Array(part.buffer), padding(part.byteLength)]),
  ]);
}
