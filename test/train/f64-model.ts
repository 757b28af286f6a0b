// A model in f64 on a tape, straight from its file: what our training passes are held against.
import { dequantize } from '../../src/backend/dequantize.ts';
import { type ModelConfig, readConfig } from '../../src/model/config.ts';
import { readGguf } from '../../src/model/gguf.ts';
import { openSource } from '../../src/model/source.ts';
import { Matrix, Tape } from './tape.ts';

export interface F64Model {
  readonly config: ModelConfig;
  /** Tensors by the names that the file has for them. */
  readonly tensors: Map<string, Matrix>;
}

/** Low-rank additions, by the tensor that they are added to. */
export type LowRank = ReadonlyMap<
  string,
  { readonly a: Matrix; readonly b: Matrix; readonly scale: number }
>;

export async function readF64(path: string): Promise<F64Model> {
  const source = await openSource(path, {});
  try {
    const { metadata, tensors } = await readGguf(source);
    const found = new Map<string, Matrix>();
    for (const { name, offset, byteLength, type, rows, columns } of tensors) {
      const bytes = Uint8Array.from(await source.read(offset, byteLength));
      const isVector = rows === 1;
      const numbers = dequantize(type.name, bytes, rows * columns);
      found.set(name, new Matrix(isVector ? 1 : rows, columns, numbers));
    }
    return { config: readConfig(metadata, path), tensors: found };
  } finally {
    await source.close();
  }
}

export interface F64Batch {
  readonly tokens: readonly number[];
  readonly targets: readonly number[];
  readonly sequences: readonly { readonly from: number; readonly count: number }[];
}

/** The loss, times `scale`; gradients of all tensors are added to. */
export function f64Loss(
  { config, tensors }: F64Model,
  { tokens, targets, sequences }: F64Batch,
  scale: number,
  low: LowRank = new Map(),
): number {
  const tape = new Tape();
  const get = (name: string) => tensors.get(name)!;
  const sequenceOf = tokens.map((_, t) =>
    sequences.find(({ from, count }) => t >= from && t < from + count)!,
  );
  const linear = (x: Matrix, name: string): Matrix => {
    let y = tape.linear(x, get(`${name}.weight`));
    const added = low.get(`${name}.weight`);
    if (added)
      y = tape.add(y, tape.scale(tape.linear(tape.linear(x, added.a), added.b), added.scale));
    const bias = tensors.get(`${name}.bias`);
    return bias ? tape.addRow(y, bias) : y;
  };
  const norm = (x: Matrix, name: string | undefined) =>
    name === undefined ? x : tape.norm(x, get(`${name}.weight`), config.normEps);
  const factors = tensors.get('rope_freqs.weight')?.data;
  const turn = (x: Matrix, rope: number, d: number) => {
    const { base, dims, scale: by, style, factors: takes } = config.ropes[rope];
    const angles = tokens.map((_, t) =>
      Array.from(
        { length: dims / 2 },
        (__, j) =>
          ((t - sequenceOf[t].from) * base ** ((-2 * j) / dims)) /
          (takes ? (factors?.[j] ?? 1) : 1) /
          by,
      ),
    );
    return tape.rope(x, angles, d, style);
  };

  let x = tape.gather(get('token_embd.weight'), tokens);
  if (config.embeddingScale !== undefined) x = tape.scale(x, config.embeddingScale);
  config.layerSpecs.forEach((layer, l) => {
    for (const spec of layer) {
      const named = (name: string) => `blk.${l}.${name}`;
      const maybe = (name: string | undefined) => (name === undefined ? name : named(name));
      const h = norm(x, maybe(spec.norm));
      let y: Matrix;
      if (spec.kind === 'feed-forward') {
        const gate = linear(h, named('ffn_gate'));
        const up = linear(h, named('ffn_up'));
        const { activation } = spec;
        if (activation !== 'silu' && activation !== 'gelu')
          throw new Error(`nobody learns through '${activation}'`);
        y = linear(tape.gated(gate, up, activation), named('ffn_down'));
      } else if (spec.kind !== 'attention') throw new Error(`no f64 pass of ${spec.kind}`);
      else {
        const { headDim: d, rope, qkNorm, window, queryScale } = spec;
        let q = linear(h, named('attn_q'));
        let k = linear(h, named('attn_k'));
        const v = linear(h, named('attn_v'));
        if (qkNorm) [q, k] = [norm(q, named('attn_q_norm')), norm(k, named('attn_k_norm'))];
        if (rope !== undefined) [q, k] = [turn(q, rope, d), turn(k, rope, d)];
        if (queryScale !== undefined) q = tape.scale(q, queryScale);
        const sees = (i: number, j: number) =>
          j <= i && sequenceOf[i] === sequenceOf[j] && (window === undefined || i - j < window);
        y = linear(tape.attention(q, k, v, d, sees), named('attn_output'));
      }
      x = tape.add(x, norm(y, maybe(spec.normAfter)));
    }
  });
  const output = tensors.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  const logits = tape.linear(norm(x, 'output_norm'), get(output));
  const loss = tape.crossEntropy(logits, targets, scale);
  tape.backward();
  return loss;
}
