// A model's file cut into parts, as splitters cut them: the first has all keys, the others nothing
// but which part they are; tensors follow each other over all of them.
import { putTogether, takeApart } from '../fuzz/mutate.ts';

const [U16, I32] = [2, 5];
const utf8 = (text: string) => new TextEncoder().encode(text);

export const partName = (no: number, count = 3): string =>
  `m-${[no + 1, count].map((n) => String(n).padStart(5, '0')).join('-of-')}.gguf`;

/** Parts with as many tensors, about. */
export function splitModel(file: Uint8Array, count = 3): Uint8Array<ArrayBuffer>[] {
  const whole = takeApart(file);
  const tensors = whole.tensors.toSorted((a, b) => Number(a.offset - b.offset));
  const placeOf = (i: number) => (i < tensors.length ? Number(tensors[i].offset) : undefined);
  return Array.from({ length: count }, (_, no) => {
    const [from, end] = [no, no + 1].map((n) => Math.floor((tensors.length * n) / count));
    const begin = placeOf(from)!;
    const split = [
      { name: utf8('split.no'), type: U16, values: [no] },
      { name: utf8('split.count'), type: U16, values: [count] },
      { name: utf8('split.tensors.count'), type: I32, values: [tensors.length] },
    ];
    return putTogether({
      version: whole.version,
      keys: no === 0 ? [...whole.keys, ...split] : split,
      tensors: tensors
        .slice(from, end)
        .map((tensor) => ({ ...tensor, offset: tensor.offset - BigInt(begin) })),
      data: whole.data.subarray(begin, placeOf(end)),
    }).file;
  });
}
