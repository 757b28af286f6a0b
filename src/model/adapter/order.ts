// The order of rows of queries and keys. Where rotary pairs are interleaved (llama), GGUF has a
// head's rows in another order than Hugging Face, which splits it in halves: row 2i + j of a head
// of d is row j d/2 + i there. So it is with the rows of B; A reads the same hidden states.
import { attentionIn } from '../blocks/registry.ts';
import type { ModelConfig } from '../config.ts';
import type { TensorInfo } from '../gguf.ts';
import type { ModelSource } from '../source.ts';
import { placeOf } from './spec.ts';

/** A tensor whose rows lie in Hugging Face's order. */
export interface Reordered {
  readonly tensor: TensorInfo;
  readonly heads: number;
}

/** Heads of a matrix whose rows the two have in different orders; undefined: in the same. */
export function rowOrder(
  matrix: string,
  { ropes, layerSpecs }: Pick<ModelConfig, 'ropes' | 'layerSpecs'>,
): number | undefined {
  // layers that turn nothing (smollm3) are converted like the others
  if (ropes[0]?.style !== 'pairs') return undefined;
  const { layer, target } = placeOf(matrix) ?? {};
  const own = layer !== undefined && layerSpecs[layer] && attentionIn(layerSpecs[layer]);
  if (!own) return undefined;
  return target === 'q' ? own.queryHeads : target === 'k' ? own.kvHeads : undefined;
}

/** The row of Hugging Face's order that stands at a row of GGUF's, in heads of d rows. */
export function peftRow(row: number, d: number): number {
  const r = row % d;
  return row - r + (r % 2) * (d / 2) + (r >> 1);
}

/** A source whose reads of some tensors find the rows in GGUF's order. */
export function inGgufOrder(source: ModelSource, reordered: readonly Reordered[]): ModelSource {
  if (reordered.length === 0) return source;
  return {
    name: source.name,
    get sizeBytes() {
      return source.sizeBytes;
    },
    async read(offset, length) {
      const found = reordered.find(
        ({ tensor: t }) => offset >= t.offset && offset < t.offset + t.byteLength,
      );
      return found ? readRows(source, found, offset, length) : source.read(offset, length);
    },
    forget(offset) {
      // a head is read from its beginning
      const found = reordered.find(
        ({ tensor: t }) => offset >= t.offset && offset < t.offset + t.byteLength,
      );
      source.forget(found ? headOf(found, offset).from : offset);
    },
    close: () => source.close(),
  };
}

/** Where the head of a byte begins, and bytes of a row and of a head. */
function headOf({ tensor, heads }: Reordered, offset: number) {
  const rowBytes = tensor.byteLength / tensor.rows;
  const headBytes = rowBytes * (tensor.rows / heads);
  const from = tensor.offset + Math.floor((offset - tensor.offset) / headBytes) * headBytes;
  return { from, rowBytes, headBytes };
}

/** Reads whole heads, and hands out those of their rows that were asked for: whole ones. */
async function readRows(
  source: ModelSource,
  reordered: Reordered,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const { from, rowBytes, headBytes } = headOf(reordered, offset);
  const { tensor, heads } = reordered;
  const end = from + Math.ceil((offset + length - from) / headBytes) * headBytes;
  const raw = await source.read(from, end - from);
  // cut off: whoever asked finds that too little came
  if (raw.length < end - from) return raw.subarray(0, 0);
  const out = new Uint8Array(length);
  const first = (offset - from) / rowBytes;
  for (let i = 0; i < length / rowBytes; i++) {
    const row = peftRow(first + i, tensor.rows / heads);
    out.set(raw.subarray(row * rowBytes, (row + 1) * rowBytes), i * rowBytes);
  }
  return out;
}
