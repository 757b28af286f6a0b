// A cache on a device against one that this thread sees: the same steps leave the same rows, of
// f32 and f16 to the bit, and the same bytes go out of one and into the other.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backend/backend.ts';
import type { Cache, Turning } from '../../src/backend/cache.ts';
import {
  cacheColumns,
  cacheRowBytes,
  type EvenShape,
  layerShape,
} from '../../src/backend/cache-shape.ts';
import type { CpuCache } from '../../src/backend/cpu/cache.ts';
import type { RowType } from '../../src/backend/dtype.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { decodeRow } from '../../src/backend/row-codec.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { createWebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import { createRandom } from '../../src/math/rng.ts';
import { createRotary } from '../../src/model/rotary.ts';
import { openTestDevice } from '../gpu.ts';
import { rejects } from '../rejects.ts';
import { skip } from '../skip.ts';

const test = suite('cache on a device');
const ROPE = { base: 100, dims: 8, scale: 1, style: 'halves' } as const;

/** A cache of a backend, and room for what goes in and for choices. */
function setup(backend: Backend, shape: EvenShape) {
  const columns = shape.kvHeads * shape.headDim;
  const [kept, scores, low, high, turn] = [1024, 1024, 256 * 32, 8 * 32, 64].map((bytes) =>
    backend.arena.allocate(4 * bytes),
  );
  const [k, v] = [0, 0].map(() => ({ address: backend.arena.allocate(4 * 8 * columns), columns }));
  const release = backend.reserveScratch({
    ...{ tokens: 8, queryHeads: shape.kvHeads, kvHeads: shape.kvHeads },
    ...{ headDim: shape.headDim, width: 64 },
  });
  const rotary = createRotary(ROPE);
  const turning = (base: number): Turning => ({
    base,
    anglesOf: () => (shift) => {
      rotary.writeTurns(backend, turn, shift, 1);
      return { address: turn, rotated: ROPE.dims, style: ROPE.style };
    },
    tablesOf() {
      rotary.writeTurns(backend, low, 0, 256);
      rotary.writeTurns(backend, high, 0, 8, 256);
      return { low, high, rotated: ROPE.dims, style: ROPE.style };
    },
  });
  const cache = backend.createCache(shape);
  return { backend, cache, k, v, kept, scores, turning, release };
}
type Side = ReturnType<typeof setup>;

/** New rows, the same on every side. */
function append(sides: readonly Side[], layer: number, T: number, token: number): void {
  const { kvHeads, headDim } = layerShape(sides[0].cache.shape, layer);
  const random = createRandom(1000 * token + layer);
  const numbers = Float32Array.from({ length: T * kvHeads * headDim }, () => random() * 4 - 2);
  // more than an f16 has, and between two of them
  if (token % 5 === 0) numbers.set([1e6, 1 + 2 ** -11, 3 * 2 ** -25]);
  for (const { backend, cache, k, v } of sides) {
    backend.write(k.address, numbers);
    backend.write(
      v.address,
      numbers.map((x) => x / 3),
    );
    cache.append(layer, k, v, T, token);
  }
}

/** Cuts all layers to `rows` a head by scores that follow from tokens. */
function evict(side: Side, rows: number, base?: number): void {
  const { backend, cache, kept, scores, turning } = side;
  const { pooled } = cache.shape;
  const rate = (token: number, head: number) => Math.sin(12.9898 * token + 78.233 * head);
  const share = { rows, sinks: 1, safeguard: 0.2 } as const;
  const turned = base === undefined ? undefined : turning(base);
  if (pooled) {
    const all = cache.allRows();
    const rated = backend.rateTokens(scores, all, rate);
    cache.compactAll(backend.select(kept, all, rated, { ...share, heads: 'adaptive' }), turned);
    return;
  }
  for (let layer = 0; layer < cache.layers; layer++) {
    const own = cache.rows(layer);
    const heads = layer === 0 ? 'uniform' : 'adaptive';
    const rated = backend.rateTokens(scores, own, rate);
    cache.compact(layer, backend.select(kept, own, rated, { ...share, heads }), turned);
  }
}

/** All rows as bytes, taken out `piece` bytes at a time. */
async function bytesOf(cache: Cache, piece: number) {
  const extent = await cache.save();
  const { headDim, rowType } = cache.shape as EvenShape;
  const rows = extent.lengths.reduce((a, b) => a + b, 0);
  const bytes = new Uint8Array(rows * cacheRowBytes(headDim, rowType));
  for (let at = 0; at < bytes.length; at += piece) await cache.read(bytes.subarray(at, at + piece));
  return { extent, bytes };
}

/** Numbers of all keys and values, and the bytes of the rest. */
function numbersOf({ headDim, rowType }: EvenShape, lengths: readonly number[], bytes: Uint8Array) {
  const numbers: number[] = [];
  const rest: number[] = [];
  let at = 0;
  for (const length of lengths)
    for (const [name, size] of cacheColumns(headDim, rowType))
      for (let row = 0; row < length; row++, at += size) {
        const own = bytes.slice(at, at + size);
        if (name === 'keys' || name === 'values') numbers.push(...decodeRow(own, headDim, rowType));
        else rest.push(...own);
      }
  return { numbers, rest };
}

/** Rows are the same: to the bit where `tolerance` is 0. */
async function compare(ours: Cache, wanted: Cache, tolerance: number): Promise<void> {
  const [a, b] = [await bytesOf(ours, 250), await bytesOf(wanted, 4096)];
  assert.equal(a.extent, b.extent);
  if (tolerance === 0) assert.equal(a.bytes, b.bytes);
  const { lengths } = a.extent;
  const [x, y] = [a, b].map(({ bytes }) => numbersOf(ours.shape as EvenShape, lengths, bytes));
  assert.equal(x.rest, y.rest);
  for (const [i, number] of x.numbers.entries()) {
    const scale = Math.max(1, Math.abs(y.numbers[i]));
    assert.ok(Math.abs(number - y.numbers[i]) <= tolerance * scale, `number ${i} of ${lengths}`);
  }
  const spans = [[0, 3], [2, 9], [5, 1000]] as const; // prettier-ignore
  assert.equal(await ours.held(spans, [0, 1]), await wanted.held(spans, [0, 1]));
  for (let l = 0; l < ours.layers; l++) assert.equal(await ours.tokens(l), await wanted.tokens(l));
}

type StepOf = readonly ['append' | 'evict' | 'rewind', number];

/** The same steps on a device and where they can be seen. */
async function walk(
  sides: readonly [Side, Side],
  steps: readonly StepOf[],
  tolerance: number,
  turns: boolean,
): Promise<void> {
  const [ours, wanted] = sides.map(({ cache }) => cache);
  const seen = wanted as CpuCache;
  let token = 0;
  for (const [step, size] of steps) {
    if (step === 'evict')
      for (const side of sides) evict(side, size, turns ? 250 * size - 600 : undefined);
    if (step === 'rewind') {
      const mark = { token: Math.max(0, token - size) };
      assert.equal(await ours.rewind(mark), await wanted.rewind(mark));
      token = mark.token;
    }
    if (step !== 'append') continue;
    const room = seen.heads.flatMap((heads, l) => heads.map((_, h) => seen.roomOf(l, h)));
    const T = Math.min(size, ...room);
    for (let layer = 0; layer < ours.layers; layer++) append(sides, layer, T, token);
    token += T;
  }
  await compare(ours, wanted, tolerance);
}

const shapeOf = (rowType: RowType, headDim: number, pooled = false): EvenShape => ({
  ...{ kvHeads: 2, headDim, rowType, pooled },
  ...{ keptRows: [6, 5], room: 7 },
});

const opened = await openTestDevice();
if ('reason' in opened) skip('backend/device-cache.test.js', 'a cache on a device', opened.reason);
else {
  const { backend, device } = opened;

  const steps = fc.array(
    fc.tuple(
      fc.constantFrom('append', 'append', 'evict', 'rewind'),
      fc.integer({ min: 1, max: 4 }),
    ),
    { minLength: 4, maxLength: 12 },
  ) as fc.Arbitrary<StepOf[]>;
  const kinds = [
    ['f32', 6, false, 0, false],
    ['f16', 10, true, 0, false],
    ['int4', 24, true, 0.6, false],
    ['f32', 8, true, 1e-5, true],
    ['int8', 16, false, 0.1, true],
  ] as const;
  for (const [type, d, pooled, tolerance, turns] of kinds)
    test(`random steps, ${type}${pooled ? ', one range' : ''}${turns ? ', turned' : ''}`, () =>
      fc.assert(
        fc.asyncProperty(steps, async (list) => {
          const shape = shapeOf(type, d, pooled);
          const sides = [backend, createReferenceBackend(1 << 20)].map((b) => setup(b, shape));
          await walk(sides as [Side, Side], list, tolerance, turns);
          for (const { cache, release } of sides) {
            release();
            cache.dispose();
          }
        }),
        { numRuns: 8, seed: 7 },
      ));

  test('rows move from WASM to the device and back, three bits each', async () => {
    const shape = shapeOf('int3', 32);
    const wasm = setup(createWasmBackend('simd'), shape);
    const ours = setup(backend, shape);
    for (let layer = 0; layer < 2; layer++) append([wasm], layer, 6, 0);
    evict(wasm, 3);
    const { extent, bytes } = await bytesOf(wasm.cache, 1000);
    const put = (cache: Cache, piece: number) => {
      cache.restore(extent);
      for (let at = 0; at < bytes.length; at += piece) cache.write(bytes.slice(at, at + piece));
      return cache.restored();
    };
    assert.equal(
      put(ours.cache, 37),
      wasm.cache.shape.keptRows.map(() => 8),
    );
    assert.equal((await bytesOf(ours.cache, 101)).bytes, bytes);
    append([ours, wasm], 0, 2, 6);
    wasm.cache.clear();
    put(wasm.cache, 53);
    assert.equal((await bytesOf(wasm.cache, 64)).bytes, bytes);
    ours.cache.restore(extent);
    ours.cache.write(bytes.slice(0, -3));
    assert.throws(() => ours.cache.restored(), /ends before its rows do/);
  });

  test('what only the device can know rejects the next read, once', async () => {
    const shape: EvenShape = { ...shapeOf('f32', 6), kvHeads: 1, keptRows: [4], room: 2 };
    const side = setup(backend, shape);
    const { cache, k, v, kept, scores } = side;
    append([side], 0, 4, 0);
    assert.throws(
      () => cache.append(0, k, v, 3, 4),
      (error: Error) => error.message === 'layer 0, head 0: 3 rows appended where 2 fit',
    );
    // nobody here knows that the head still has its sinks
    const rated = backend.rateTokens(scores, cache.rows(0), { plus: -9 });
    const share = { rows: 2, sinks: 2, heads: 'uniform', safeguard: 0 } as const;
    cache.compact(0, backend.select(kept, cache.rows(0), rated, share));
    cache.append(0, k, v, 3, 4);
    await rejects(cache.tokens(0), 'RangeError', /3 rows appended where 2 fit/);
    assert.equal(await cache.tokens(0), [Int32Array.of(0, 1, 2, 3)]);
  });

  test('a cache of several buffers', async () => {
    const small = Object.create(device, { bindingBytes: { value: 1 << 19 } });
    const cramped = await createWebgpuBackend(small);
    const shape: EvenShape = { ...shapeOf('f32', 64), kvHeads: 1, keptRows: [1500, 1500] };
    const sides = [cramped, createReferenceBackend(1 << 22)].map((b) => setup(b, shape));
    for (let layer = 0; layer < 2; layer++) append(sides, layer, 7, layer);
    for (const side of sides) evict(side, 3);
    await compare(sides[0].cache, sides[1].cache, 0);
    assert.throws(() => cramped.createCache({ ...shape, pooled: true }), /one buffer/);
  });

  test('one token takes a dispatch to append, one or two to attend', async () => {
    const sides = [backend, createReferenceBackend(1 << 22)].map((own) => {
      const shape: EvenShape = { ...shapeOf('f16', 16), keptRows: [600], room: 8 };
      const side = setup(own, shape);
      const [q, out] = [0, 0].map(() => ({ address: own.arena.allocate(4 * 96), columns: 96 }));
      // no query sees the channel that a few keys are very large in
      own.write(
        q.address,
        Float32Array.from({ length: 96 }, (_, i) => (i % 16) * Math.sin(i)),
      );
      return { ...side, q, out };
    });
    const counted = async (rows: number, token: number): Promise<string[]> => {
      for (; token < rows - 1; token += 7) append(sides, 0, Math.min(7, rows - 1 - token), token);
      const before = backend.usage;
      append(sides, 0, 1, rows - 1);
      for (const { backend: own, cache, q, out } of sides) own.attention(out, q, cache.rows(0), 1);
      const [found, wanted] = await Promise.all(
        sides.map(({ backend: own, out }) => own.readFloats(out.address, 96)),
      );
      for (const [i, x] of found.entries())
        assert.ok(
          Math.abs(x - wanted[i]) < 1e-5 * Math.max(1, Math.abs(wanted[i])),
          `number ${i} of ${rows} rows: ${x}`,
        );
      const { byKernel } = backend.usage;
      return Object.keys(byKernel).filter(
        (name) => name !== 'upload' && byKernel[name] !== before.byKernel[name],
      );
    };
    assert.equal(await counted(300, 0), ['append', 'attend-one']);
    assert.equal(await counted(590, 300), ['append', 'attend-one', 'attend-join']);
    for (const { cache, release } of sides) {
      release();
      cache.dispose();
    }
  });

  test('types of rows that a device has no kernels for', () => {
    const found = (['f32', 'f16', 'int8', 'kivi-int4', 'kivi-mixed3'] as const).map((type) =>
      [7, 12, 64, 1024].map((d) => backend.supportsRows(type, d)),
    );
    const none = [false, false, false, false];
    assert.equal(found, [
      [true, true, true, false],
      [false, true, true, false],
      [false, false, true, false],
      none,
      none,
    ]);
  });

  test.after(() => backend.dispose());
}

test.run();
