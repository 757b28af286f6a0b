// What somebody asks about cached rows, found on the device and read back as few words.
import type { TokenSpan } from '../cache.ts';
import type { Address } from '../tensor.ts';
import { type Heap, wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';
import type { DeviceRows } from './rows.ts';

const LANES = 64;
/** More than any token's number. */
const BEHIND_ALL = 2 ** 31 - 1;

/** What kernels left in a region of so many bytes. */
async function readFrom(
  recorder: Recorder,
  heap: Heap,
  bytes: number,
  fill: (region: Address) => void,
): Promise<ArrayBuffer> {
  const region = heap.allocate(bytes);
  try {
    fill(region);
    return await recorder.read(region, bytes);
  } finally {
    heap.free(region);
  }
}

/** Rows of the tokens of each span, over all heads of some layers. */
export async function heldRows(
  recorder: Recorder,
  heap: Heap,
  spans: readonly TokenSpan[],
  layers: readonly DeviceRows[],
): Promise<number[]> {
  if (spans.length === 0) return [];
  const token = (t: number) => Math.min(BEHIND_ALL, Math.max(0, t));
  const words = spans.flatMap(([begin, end]) => [token(begin), token(end), 0]);
  const counted = await readFrom(recorder, heap, 4 * words.length, (region) => {
    recorder.write(region, Uint32Array.from(words));
    for (const { part, firstHead, kvHeads } of layers)
      recorder.dispatch(
        recorder.kernels.get('count-spans', 'ww'),
        [region, part.notes],
        [part.rows, firstHead, kvHeads, word(region)],
        spans.length,
      );
  });
  const numbers = new Uint32Array(counted);
  return spans.map((_, i) => numbers[3 * i + 2]);
}

/** Numbers of the last `count` keys of a head, of rows of f32. */
export async function newestKeys(
  recorder: Recorder,
  heap: Heap,
  { part, firstHead, headDim }: DeviceRows,
  head: number,
  count: number,
): Promise<Float32Array> {
  const bytes = 4 * count * headDim;
  const keys = await readFrom(recorder, heap, bytes, (region) =>
    recorder.dispatch(
      recorder.kernels.get('newest-keys', 'www'),
      [region, part.keys, part.notes],
      [part.rows, firstHead + head, word(region), count, headDim],
      Math.ceil((count * headDim) / LANES),
    ),
  );
  return new Float32Array(keys);
}
