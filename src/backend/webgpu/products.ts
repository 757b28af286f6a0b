// Weights by rows, and products with them.
import type { Backend } from '../backend.ts';
import { weightRowBytes } from '../dtype.ts';
import { wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';
import { type WeightStore, weightStore } from './weights.ts';
import type { Heap } from './heap.ts';

type ProductOps = Pick<Backend, 'weightBytes' | 'packRows' | 'embed'>;

export function productOps(recorder: Recorder, heap: Heap): ProductOps {
  const { weightBytes, packRows, ...weights } = weightStore(recorder, heap);
  return { weightBytes, packRows, embed: embedding(recorder, weights) };
}

function embedding(
  recorder: Recorder,
  { piecesOf }: Pick<WeightStore, 'piecesOf'>,
): Backend['embed'] {
  return (y, table, ids, n) => {
    const { type, columns } = table;
    const kernel = recorder.kernels.get('embed', 'wr', { WEIGHT: type.number });
    const groups = Math.ceil((n * Math.ceil(columns / 4)) / 64);
    piecesOf(table).forEach(({ address, first, rows, regions }, i) => {
      recorder.dispatch(
        kernel,
        [y.address, address],
        [word(y.address), y.columns, word(ids), n, first, rows, ...regions, columns],
        groups,
        // of all pieces together n rows are read
        i === 0 ? n * weightRowBytes(type, columns) : 0,
      );
    });
  };
}
