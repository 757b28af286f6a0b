// Rows whose keys share grids: whatever is appended, evicted, turned, saved and read back, each row
// is what it was up to rounding, within what was reserved.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RowType, rowBytes } from '../../src/backend/dtype.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { cacheBytes } from '../../src/backend/cpu/bytes.ts';
import { CpuCache } from '../../src/backend/cpu/cache.ts';
import {
  cacheRowBytes,
  cacheRows,
  type EvenShape,
  layerShape,
} from '../../src/backend/cache-shape.ts';
import { tailOf } from '../../src/backend/row-codec.ts';
import type { Extent } from '../../src/backend/state.ts';
import { CacheReader, CacheWriter } from '../../src/backend/cpu/transfer.ts';
import { storedBytes } from '../../src/cache/stored.ts';
import { StoreError } from '../../src/errors.ts';
import { createRandom } from '../../src/math/rng.ts';
import { turnHead } from '../../src/backend/cpu/turn.ts';
import { selectionOf } from '../rows.ts';
import { putBack, takeBytes } from '../stored-bytes.ts';

const test = suite('rows on shared grids');
const d = 16;
/** Rows with fewer rows behind them are not rounded yet. */
const RESIDUAL = 32;

/**
 * A cache beside what its rows should be, in f64: key and value of each row by layer, head and
 * token.
 */
class Twin {
  readonly cache: CpuCache;
  readonly #random: () => number;
  readonly #rows = new Map<string, { key: number[]; value: number[] }>();
  token = 0;

  constructor(shape: EvenShape, seed: number) {
    const backend = createWasmBackend('simd');
    backend.reserveScratch({
      tokens: 8,
      queryHeads: shape.kvHeads,
      kvHeads: shape.kvHeads,
      headDim: d,
      width: 64,
    });
    this.cache = new CpuCache(backend, shape);
    this.#random = createRandom(seed);
  }

  /** Channels have sizes and offsets of their own, as keys have: channel 3 stands out. */
  append(T: number): void {
    const { backend } = this.cache;
    const { kvHeads } = layerShape(this.cache.shape, 0);
    const columns = kvHeads * d;
    const [k, v] = [0, 1].map(() => ({
      address: backend.arena.allocate(T * columns * 4),
      columns,
    }));
    for (let layer = 0; layer < this.cache.layers; layer++) {
      const [keys, values] = [k, v].map(({ address }) => backend.floats(address, T * columns));
      for (let i = 0; i < T * columns; i++) {
        keys[i] = i % d === 3 ? 30 + this.#random() : 2 * this.#random() - 1;
        values[i] = 2 * this.#random() - 1;
      }
      for (let t = 0; t < T; t++) {
        for (let h = 0; h < kvHeads; h++) {
          const part = (x: Float32Array) => [
            ...x.subarray((t * kvHeads + h) * d, (t * kvHeads + h + 1) * d),
          ];
          this.#rows.set(`${layer} ${h} ${this.token + t}`, {
            key: part(keys),
            value: part(values),
          });
        }
      }
      this.cache.append(layer, k, v, T, this.token);
    }
    for (const { address } of [k, v]) backend.arena.free(address);
    this.token += T;
  }

  /** Keeps rows at random, and the newest. */
  evict(): void {
    const { backend, shape, heads } = this.cache;
    const list = backend.arena.allocate(4 * cacheRows(shape));
    let at = list;
    const keep = (rows: typeof heads, share: number) => {
      let left = share;
      return rows.flat().map(({ length }, h, all) => {
        const count = Math.min(
          length,
          h === all.length - 1 ? left : Math.floor(this.#random() * (left + 1)),
        );
        left -= count;
        const order = Array.from({ length }, (_, i) => [
          i >= length - 8 ? 2 : this.#random(),
          i,
        ]).sort((a, b) => b[0] - a[0]);
        const kept = { rows: at, count };
        backend.ints(at, count).set(
          order
            .slice(0, count)
            .map(([, i]) => i)
            .sort((a, b) => a - b),
        );
        at += 4 * count;
        return kept;
      });
    };
    const kept = shape.keptRows.map((rows) => rows * layerShape(shape, 0).kvHeads);
    if (shape.pooled)
      this.cache.compactAll(
        selectionOf(
          keep(
            heads,
            kept.reduce((a, b) => a + b, 0),
          ),
        ),
      );
    else
      for (const [layer, rows] of kept.entries())
        this.cache.compact(layer, selectionOf(keep([heads[layer]], rows)));
    backend.arena.free(list);
  }

  /**
   * Largest difference of keys and of values from what they were; those that are not rounded yet
   * are only as far off as f16 is.
   */
  check(): { keys: number; values: number } {
    const { backend, shape, heads } = this.cache;
    const off = { keys: 0, values: 0 };
    const list = backend.arena.allocate(4 * cacheRows(shape));
    const out = backend.arena.allocate(4 * d * cacheRows(shape));
    for (const [layer, own] of heads.entries()) {
      for (const [h, head] of own.entries()) {
        const tokens = [...backend.ints(head.tokens, head.length)];
        assert.equal(
          tokens,
          tokens.slice().sort((a, b) => a - b),
        );
        for (const side of ['keys', 'values'] as const) {
          backend.ints(list, head.length).set(tokens.map((_, i) => i));
          backend.gatherRows(out, head, list, head.length, d, shape.rowType, side);
          tokens.forEach((token, i) => {
            const row = this.#rows.get(`${layer} ${h} ${token}`)!;
            const wanted = side === 'keys' ? row.key : row.value;
            const worst = Math.max(
              ...backend.floats(out + i * d * 4, d).map((x, j) => Math.abs(x - wanted[j])),
            );
            off[side] = Math.max(off[side], worst);
            if (token >= this.token - RESIDUAL)
              assert.ok(worst < 0.02, `token ${token} is among the newest, and ${worst} off`);
          });
        }
      }
    }
    backend.arena.free(out);
    backend.arena.free(list);
    return off;
  }
}

const types = ['kivi-int8', 'kivi-int4', 'kivi-int3', 'kivi-mixed4', 'kivi-mixed2.5'] as const;
const shapeOf = (rowType: RowType, more: Partial<EvenShape> = {}): EvenShape => ({
  kvHeads: 2,
  headDim: d,
  rowType,
  keptRows: [240, 100],
  room: 70,
  ...more,
});

/** A cache that `blocks` blocks of 50 rows went through, each evicted from. */
function grown(shape: EvenShape, seed: number, blocks: number): Twin {
  const twin = new Twin(shape, seed);
  for (let i = 0; i < blocks; i++) {
    twin.append(50);
    twin.evict();
  }
  return twin;
}

test('appended and evicted at random, rows stay what they were up to rounding, the newest exactly, and nothing is reserved beside', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.boolean(),
      fc.integer(),
      fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 14 }),
      (type, pooled, seed, blocks) => {
        const twin = new Twin(shapeOf(type, { pooled }), seed);
        const { backend } = twin.cache;
        const reserved = backend.arena.usedBytes;
        assert.is(twin.cache.bytes, cacheBytes(twin.cache.shape));
        for (const T of blocks) {
          twin.append(T);
          twin.evict();
          // ranges are 2 for ordinary channels of keys and values; a row may be rounded again where
          // groups are put together
          const steps = (bits: number) => 2 / (2 ** bits - 1);
          const { keys, values } = twin.check();
          const bits = {
            'kivi-int8': [8, 8],
            'kivi-int4': [4, 4],
            'kivi-int3': [3, 3],
            'kivi-mixed4': [2, 4],
            'kivi-mixed2.5': [2, 3],
          }[type];
          assert.ok(keys <= 1.6 * steps(bits[0]) + 0.05, `keys are ${keys} off`);
          assert.ok(values <= 0.51 * steps(bits[1]) + 0.01, `values are ${values} off`);
        }
        assert.is(backend.arena.usedBytes, reserved);
      },
    ),
    { numRuns: 60 },
  );
});
test('groups that thin out over many blocks are put together, and their rows lose little', () => {
  const twin = new Twin(shapeOf('kivi-int8', { keptRows: [240, 100], room: 40 }), 3);
  for (let i = 0; i < 80; i++) {
    twin.append(40);
    twin.evict();
  }
  const { keys, values } = twin.check();
  assert.ok(keys < 0.04 && values < 0.01, `${keys}, ${values}`);
});
test('a conversation that is never evicted is rounded as it grows, and can be taken back', () => {
  const twin = new Twin(shapeOf('kivi-int8', { keptRows: [400, 400], room: 64 }), 1);
  for (let i = 0; i < 7; i++) twin.append(57);
  const { keys, values } = twin.check();
  assert.ok(keys > 0 && keys < 0.02 && values < 0.01, `${keys}, ${values}`);
  twin.cache.rewind({ token: 399 - 60 });
  twin.token = 399 - 60;
  twin.append(60);
  twin.check();
});
test('a saved cache reads back to the bit, in another cache, and within what it may take', async () => {
  for (const pooled of [false, true]) {
    const shape = shapeOf('kivi-mixed3', { pooled });
    const twin = grown(shape, 5, 5);
    const standing = { token: 250, base: -1, rebasedAt: 0 };
    const bytes = await takeBytes(twin.cache, standing);
    assert.ok(bytes.length <= storedBytes(shape, twin.cache.rowCount), `${bytes.length} bytes`);
    assert.equal(await takeBytes(twin.cache, standing, 1 << 16), bytes, 'whatever the pieces');
    const other = new Twin(shape, 6);
    other.append(70);
    assert.equal(await putBack(other.cache, bytes, 'a', 96), standing);
    assert.equal([...(await takeBytes(other.cache, standing))], [...bytes]);
    twin.check();
    // rows that name what is not there
    const reader = new CacheReader(twin.cache);
    const body = new Uint8Array(bytes.length);
    const whole = body.subarray(0, reader.read(body));
    const { extent } = reader;
    const { length } = twin.cache.heads[0][0];
    const [keyWords, valueWords] = (['keys', 'values'] as const).map(
      (side) => rowBytes(shape.rowType, d, side) / 4,
    );
    const headWords = cacheRowBytes(d, shape.rowType) / 4;
    const putting =
      (change: Partial<Extent>, tail?: number, at = keyWords - 1) =>
      () => {
        const copy = whole.slice();
        const words = new Int32Array(copy.buffer);
        if (tail !== undefined) words[at] = tail;
        const writer = new CacheWriter(other.cache, { ...extent, ...change });
        writer.write(copy);
        writer.finish();
      };
    putting({})();
    assert.equal([...(await takeBytes(other.cache, standing))], [...bytes]);
    for (const wrong of [
      putting({ gridChannels: 0 }),
      putting({ slotChannels: d }),
      putting({}, 0x7fff),
      putting({}, -1),
      putting({ gridChannels: extent.gridChannels + d }),
      // the second head's first row names a grid of the first head; a rounded row's value names
      // a slot, the last row's value another than its key
      putting({}, new Int32Array(whole.buffer)[keyWords - 1], length * headWords + keyWords - 1),
      putting({}, tailOf(0, false), length * keyWords + valueWords - 1),
      putting({}, tailOf(1 << 20, false), length * (keyWords + valueWords) - 1),
    ])
      assert.throws(wrong, (e: Error) => e instanceof StoreError);
    const short = new CacheWriter(other.cache, extent);
    short.write(whole.subarray(0, -4));
    assert.throws(() => short.finish(), /ends before/);
  }
});
test('rows, grids and slots that are copied together mean the same at other addresses', () => {
  for (const pooled of [false, true]) {
    const shape = shapeOf('kivi-mixed2.5', { pooled });
    const twin = grown(shape, 8, 4);
    const elsewhere = createWasmBackend('simd');
    elsewhere.arena.allocate(1 << 16);
    const copy = new CpuCache(elsewhere, shape);
    const [from, to] = [twin.cache, copy].map((cache) => cache.columnsOf(0)[0].address);
    assert.is.not(from, to);
    elsewhere.bytes(to, copy.bytes).set(twin.cache.backend.bytes(from, copy.bytes));
    copy.resize(twin.cache.heads.flat().map(({ length }) => length));
    const read = ({ backend, heads }: CpuCache) => {
      const most = cacheRows(shape);
      const [list, out] = [4, 4 * d].map((bytes) => backend.arena.allocate(bytes * most));
      return heads.flat().flatMap((head) =>
        (['keys', 'values'] as const).map((side) => {
          backend.ints(list, head.length).set(Array.from({ length: head.length }, (_, i) => i));
          backend.gatherRows(out, head, list, head.length, d, shape.rowType, side);
          return [...backend.floats(out, head.length * d)];
        }),
      );
    };
    assert.equal(read(copy), read(twin.cache));
  }
});
test('keys turned to other positions are what turning the numbers gives, up to rounding', () => {
  const twin = new Twin(shapeOf('kivi-int8'), 9);
  twin.append(70);
  twin.evict();
  twin.append(60);
  const { backend, heads } = twin.cache;
  const head = heads[0][1];
  const rows = Array.from({ length: head.length }, (_, i) => i).filter((i) => i % 3 !== 1);
  const list = backend.arena.allocate(4 * head.length);
  backend.ints(list, rows.length).set(rows);
  const out = backend.arena.allocate(4 * d * head.length);
  const read = () => {
    backend.gatherRows(out, head, list, rows.length, d, 'kivi-int8', 'keys');
    return [...backend.floats(out, rows.length * d)];
  };
  const before = read();
  const angles = { address: backend.arena.allocate(4 * d), rotated: d, style: 'halves' as const };
  turnHead(
    twin.cache,
    0,
    1,
    rows,
    rows.map((_, j) => j % 5),
    (shift) => {
      backend
        .floats(angles.address, d)
        .set(
          Array.from({ length: d }, (_, j) =>
            j < d / 2 ? Math.cos(shift / 8 ** (j / d)) : Math.sin(shift / 8 ** ((j - d / 2) / d)),
          ),
        );
      return angles;
    },
  );
  read().forEach((x, at) => {
    const [j, c] = [Math.floor(at / d), at % d];
    const half = d / 2;
    const [a, b] = [before[j * d + (c % half)], before[j * d + (c % half) + half]];
    const angle = (j % 5) / 8 ** ((c % half) / d);
    const wanted =
      c < half
        ? a * Math.cos(angle) - b * Math.sin(angle)
        : a * Math.sin(angle) + b * Math.cos(angle);
    assert.ok(Math.abs(x - wanted) < 0.3, `row ${j} channel ${c}: ${x}, wanted ${wanted}`);
  });
});
test.run();
