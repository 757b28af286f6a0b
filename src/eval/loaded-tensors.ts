// The tensors of a file in a backend's memory, as a layer of a model would have left them there.
import type { Backend } from '../backend/backend.ts';
import { weightTypes } from '../backend/dtype.ts';
import type { Cache, LayerRows } from '../backend/cache.ts';
import type { Tensor, Weight } from '../backend/tensor.ts';
import type { TensorFile } from './tensor-file.ts';

const F32 = weightTypes[0];

export class LoadedTensors {
  readonly #file: TensorFile;
  readonly #backend: Backend;
  readonly #addresses: number[] = [];
  readonly #cache: Cache;
  readonly #releaseScratch: () => void;

  constructor(file: TensorFile, backend: Backend) {
    const { Hq, Hkv, n, d, window, patched, D } = file.shape;
    this.#file = file;
    this.#backend = backend;
    const rows = { kvHeads: Hkv, headDim: d, rowType: 'f32', keptRows: [0], room: n } as const;
    this.#cache = backend.createCache(rows);
    this.#releaseScratch = backend.reserveScratch({
      tokens: Math.max(window, patched, 1),
      queryHeads: Hq,
      kvHeads: Hkv,
      headDim: d,
      width: Math.max(32, Hq * d, D),
    });
  }

  /** Reserves memory. */
  room(bytes: number): number {
    const address = this.#backend.arena.allocate(bytes);
    this.#addresses.push(address);
    return address;
  }

  put(numbers: readonly number[], columns: number): Tensor {
    const address = this.room(numbers.length * 4);
    this.#backend.write(address, Float32Array.from(numbers));
    return { address, columns };
  }

  /** Wo, packed as weights are; the file has it [Hq * d, D]. */
  output(): Weight {
    const backend = this.#backend;
    const { Hq, d, D } = this.#file.shape;
    const bytes = backend.weightBytes(F32, D, Hq * d);
    const address = backend.arena.plan(bytes);
    this.#addresses.push(address);
    backend.arena.touch(address + bytes);
    const output: Weight = {
      address,
      type: F32,
      rows: D,
      columns: Hq * d,
    };
    for (let row = 0; row < D; row += 4) {
      const rows = Array.from({ length: Math.min(4, D - row) }, (_, r) =>
        this.#file.Wo.map((column) => column[row + r]),
      );
      const file = new Uint8Array(Float32Array.from(rows.flat()).buffer);
      backend.packRows(output, row, rows.length, file);
    }
    return output;
  }

  /** All rows, their states zero: the file has them [Hkv, n, d]. */
  fresh(): LayerRows {
    const { Hkv, n, d } = this.#file.shape;
    const [keys, values] = (['keys', 'values'] as const).map((side) => {
      const heads = this.#file[side];
      const rows = Array.from({ length: n }, (_, i) => heads.map((head) => head[i]));
      return this.put(rows.flat(2), Hkv * d);
    });
    this.#cache.clear();
    this.#cache.append(0, keys, values, n, 0);
    return this.#cache.rows(0);
  }

  /** The first rows of each head. */
  first(count: number): LayerRows {
    return this.#cache.rows(0, this.#file.shape.n - count);
  }

  /** The last queries: the file has them [Hq, count, d], a forward pass leaves [count, Hq * d]. */
  queries(source: 'windowQueries' | 'patchedQueries', count: number): Tensor {
    const { Hq, d } = this.#file.shape;
    const heads = this.#file[source];
    const first = heads[0].length - count;
    return this.put(
      Array.from({ length: count }, (_, p) => heads.map((head) => head[first + p])).flat(2),
      Hq * d,
    );
  }

  dispose(): void {
    this.#cache.dispose();
    for (const address of this.#addresses) this.#backend.arena.free(address);
    this.#releaseScratch();
  }
}
