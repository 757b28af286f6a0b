// The cache's promises as properties: order kept, exact contents, never more than was reserved, for
// random heads, rows and selections.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { CpuCache } from '../../src/backend/cpu/cache.ts';
import { cacheRowBytes, cacheRows, layerShape } from '../../src/backend/cache-shape.ts';
import { storedBytes } from '../../src/cache/stored.ts';
import { createRandom } from '../../src/math/rng.ts';
import type { Selection } from '../../src/backend/backend.ts';
import type { Kept } from '../../src/backend/cpu/memory.ts';
import { rejects } from '../rejects.ts';
import { rowsOf, selectionOf } from '../rows.ts';
import { deskOf, putBack, stored, takeBytes } from '../stored-bytes.ts';

const test = suite('cache');
const d = 6;

/**
 * What a head should hold: token numbers. The key of token t at head h of layer l is filled with t
 * + h / 8 + l / 64.
 */
type Model = number[][][];
const mark = (layer: number, h: number, token: number) => token + h / 8 + layer / 64;

function setup(
  layers: number,
  kvHeads: number,
  kept: number[],
  room: number,
  rowType: 'f32' | 'f16',
  pooled = false,
) {
  const backend = createWasmBackend('simd');
  backend.reserveScratch({ tokens: 8, queryHeads: kvHeads, kvHeads, headDim: d, width: 64 });
  const cache = new CpuCache(backend, {
    kvHeads,
    headDim: d,
    rowType,
    keptRows: kept.slice(0, layers),
    room,
    pooled,
  });
  const model: Model = Array.from({ length: layers }, () =>
    Array.from({ length: kvHeads }, () => []),
  );
  return { backend, cache, model };
}

function append(cache: CpuCache, model: Model, layer: number, T: number, token: number): void {
  const { backend } = cache;
  const { kvHeads } = layerShape(cache.shape, layer);
  const tensor = { address: backend.arena.allocate(T * kvHeads * d * 4), columns: kvHeads * d };
  const numbers = backend.floats(tensor.address, T * kvHeads * d);
  for (let t = 0; t < T; t++)
    for (let h = 0; h < kvHeads; h++)
      numbers.fill(mark(layer, h, token + t), (t * kvHeads + h) * d, (t * kvHeads + h + 1) * d);
  cache.append(layer, tensor, tensor, T, token);
  backend.arena.free(tensor.address);
  for (const head of model[layer]) for (let t = 0; t < T; t++) head.push(token + t);
}

function check(cache: CpuCache, model: Model): void {
  const { backend } = cache;
  const { rowType } = cache.shape;
  for (let layer = 0; layer < cache.layers; layer++) {
    cache.heads[layer].forEach((head, h) => {
      assert.equal([...backend.ints(head.tokens, head.length)], model[layer][h]);
      for (const rows of [head.keys, head.values]) {
        const found = Array.from({ length: head.length }, (_, i) =>
          rowType === 'f32' ? backend.floats(rows + (i * d + d - 1) * 4, 1)[0] : undefined,
        );
        if (rowType === 'f32')
          assert.equal(
            found,
            model[layer][h].map((t) => Math.fround(mark(layer, h, t))),
          );
      }
      if (rowType === 'f16' && head.length > 0) {
        const norms = backend.rowNorms(
          backend.arena.allocate(head.length * 4),
          rowsOf([head], d, 'f16'),
          'keys',
        );
        [...backend.floats(norms.address, head.length)].forEach((n, i) =>
          assert.ok(
            Math.abs(n / Math.sqrt(d) - mark(layer, h, model[layer][h][i])) < 0.02 * (1 + n),
          ),
        );
        backend.arena.free(norms.address);
      }
    });
  }
  const rows = model.flat(2).length;
  assert.is(cache.rowCount, rows);
  assert.ok(cache.peakBytes <= cache.bytes && cache.usedBytes <= cache.peakBytes);
}

test('appending and compacting at random keeps order, contents and the promise', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 3, maxLength: 3 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom('f32' as const, 'f16' as const),
      fc.boolean(),
      fc.infiniteStream(fc.integer({ min: 0, max: 2 ** 30 })),
      (layers, kvHeads, kept, room, rowType, pooled, stream) => {
        const { backend, cache, model } = setup(layers, kvHeads, kept, room, rowType, pooled);
        const drawn = stream[Symbol.iterator]();
        const draw = (below: number) => Number(drawn.next().value) % below;
        assert.is(cache.bytes, cacheRows(cache.shape) * cacheRowBytes(d, rowType));
        const reserved = backend.arena.usedBytes;
        const indices = backend.arena.allocate(4 * cacheRows(cache.shape));
        let token = 0;
        // shares fall to heads at random, adaptive budgets at their wildest
        const choose = (
          heads: number[][],
          rows: readonly { tokens: number; length: number }[],
          share: number,
          at: number,
        ): Selection => {
          let left = share;
          const chosen = heads.map((head, h): Kept => {
            const count = Math.min(head.length, draw(left + 1));
            while (head.length > count) head.splice(draw(head.length), 1);
            const before = [...backend.ints(rows[h].tokens, rows[h].length)];
            backend.ints(at, count).set(head.map((t) => before.indexOf(t)));
            left -= count;
            const first = at;
            at += 4 * count;
            return { rows: first, count };
          });
          return selectionOf(chosen);
        };
        for (let block = 0; block < 6; block++) {
          const T = 1 + draw(room);
          for (let layer = 0; layer < layers; layer++) {
            append(cache, model, layer, T, token);
            if (!pooled)
              cache.compact(
                layer,
                choose(model[layer], cache.heads[layer], kvHeads * kept[layer], indices),
              );
          }
          const total = kvHeads * kept.slice(0, layers).reduce((a, b) => a + b, 0);
          if (pooled) cache.compactAll(choose(model.flat(), cache.heads.flat(), total, indices));
          for (let layer = 0; layer < layers; layer++)
            for (let h = 0; h < kvHeads; h++)
              assert.ok(cache.roomOf(layer, h) >= room, 'every head has its room again');
          token += T;
          check(cache, model);
        }
        backend.arena.free(indices);
        assert.is(backend.arena.usedBytes, reserved, 'nothing was reserved beside');
      },
    ),
    { numRuns: 60 },
  );
});

test('rows go back to a mark, of a layer and of all', () => {
  const { backend, cache, model } = setup(2, 2, [4, 5], 6, 'f32');
  for (const layer of [0, 1]) append(cache, model, layer, 6, 0);
  const fourth = cache.mark(4);
  cache.rewindLayer(1, fourth);
  cache.rewindLayer(1, fourth); // it is there already
  for (const head of model[1]) head.length -= 2;
  check(cache, model);
  cache.rewind({ token: 3 });
  for (const head of model.flat()) head.splice(3);
  check(cache, model);
  append(cache, model, 0, 2, 3);
  cache.rewindLayer(0, cache.mark(4));
  for (const head of model[0]) head.length -= 1;
  check(cache, model);
  const none = { rows: backend.arena.allocate(4), count: 0 };
  cache.compact(0, selectionOf([none, none]));
  assert.throws(() => cache.rewindLayer(0, cache.mark(0)), /4 rows taken back where 0 are/);
});
test('more than the room, or than a share, is refused before anything is written', () => {
  const { backend, cache, model } = setup(1, 2, [3], 4, 'f32');
  append(cache, model, 0, 4, 0);
  append(cache, model, 0, 3, 4);
  const tensor = { address: backend.arena.allocate(4 * 2 * d), columns: 2 * d };
  assert.throws(() => cache.append(0, tensor, tensor, 1, 7), /1 rows appended where 0 fit/);
  const kept = backend.arena.allocate(64);
  backend.ints(kept, 7).set([0, 1, 2, 3, 4, 5, 6]);
  const seven = selectionOf([4, 3].map((count) => ({ rows: kept, count })));
  assert.throws(() => cache.compact(0, seven), /layer 0 keeps 7 rows, its share is 6/);
  check(cache, model);
});
test('a stored state restores rows and standing; a damaged or foreign one is refused and leaves the cache empty', async () => {
  const { cache, model } = setup(2, 2, [4, 5], 6, 'f16');
  for (const layer of [0, 1]) append(cache, model, layer, 5 + layer, 0);
  const standing = { token: 6, base: -1, rebasedAt: 0 };
  const bytes = await takeBytes(cache, standing);
  cache.clear();
  assert.equal(await putBack(cache, bytes), standing);
  check(cache, model);
  const refuse = async (damaged: Uint8Array, pattern: RegExp) => {
    await rejects(putBack(cache, damaged, 'episode 1'), 'StoreError', pattern);
    await rejects(
      putBack(cache, damaged, 'episode 1'),
      'StoreError',
      /^episode 1: .*: delete the store/,
    );
  };
  await refuse(bytes.slice(0, -4), /do not hold/);
  await refuse(Uint8Array.from([...bytes, 0, 0, 0, 0]), /do not hold/);
  await refuse(bytes.slice(0, 12), /header/);
  await refuse(new Uint8Array(0), /header/);
  await refuse(
    bytes.map((b, i) => (i === 3 ? '5'.charCodeAt(0) : b)),
    /stored as RCS5, another version of the format than RCS6/,
  );
  // whichever byte was changed
  for (let at = 0; at < bytes.length; at++)
    await refuse(
      bytes.map((b, i) => (i === at ? b ^ (1 << (at % 8)) : b)),
      at < 8 ? /no snapshot/ : /checksum|no snapshot/,
    );
  assert.is(cache.rowCount, 0);
  const other = setup(2, 1, [4, 5], 6, 'f16').cache;
  await rejects(putBack(other, bytes), 'StoreError', /no snapshot of this model/);
  await rejects(
    deskOf(cache).restore({ ...stored(bytes), tag: [1, -2, 3, 5] }),
    'StoreError',
    /of something else/,
  );
  assert.equal(await putBack(cache, bytes), standing);
});
test('states of many shapes are read back to the bit, whatever the size of the pieces', async () => {
  for (const [layers, kvHeads, kept, rowType, pieceBytes] of [
    [1, 1, [9], 'f32', 64],
    [3, 2, [3, 9, 5], 'f16', 64],
    [2, 3, [8, 8], 'f32', 1 << 16],
  ] as const) {
    const { cache, model } = setup(layers, kvHeads, [...kept], 6, rowType);
    for (let layer = 0; layer < layers; layer++) append(cache, model, layer, 2 + layer, 0);
    const standing = { token: 6, base: 3, rebasedAt: 2 };
    const bytes = await takeBytes(cache, standing, pieceBytes);
    assert.ok(bytes.length <= storedBytes(cache.shape, cache.rowCount));
    cache.clear();
    assert.equal(await putBack(cache, bytes, 'x', pieceBytes), standing);
    assert.equal(await takeBytes(cache, standing), bytes);
  }
});
test('two stored states join to as many rows as the first has: the best scores, every token once, sinks and the newest for certain', async () => {
  const { backend, cache } = setup(1, 2, [5, 5], 8, 'f32');
  const fill = (tokens: number[], scores: number[], sign: number, at = 20): Promise<Uint8Array> => {
    cache.clear();
    for (const token of tokens) append(cache, [[[], []]], 0, 1, token);
    cache.heads[0].forEach((head) => {
      backend.floats(head.state, head.length).set(scores);
      backend.floats(head.keys, head.length * d).forEach((_, i, keys) => {
        keys[i] = sign * tokens[Math.floor(i / d)];
      });
    });
    return takeBytes(cache, { token: at, base: -1, rebasedAt: 0 });
  };
  const first = await fill([0, 3, 5, 9, 19], [0, 0.2, 0.9, 0.1, 0], 1);
  const second = await fill([0, 4, 5, 12, 19], [0, 0.8, 0.3, 0.05, 0], -1);
  const { token } = (await deskOf(cache, 64, 5, 1).restoreUnion(stored(first), stored(second), 1))!;
  assert.is(token, 20);
  for (const head of cache.heads[0]) {
    assert.equal([...backend.ints(head.tokens, head.length)], [0, 3, 4, 5, 19]);
    // a row that both have is the first's
    assert.equal(
      Array.from({ length: 5 }, (_, i) => backend.floats(head.keys, 5 * d)[i * d]),
      [0, 3, -4, 5, 19],
    );
  }
  const rows = cache.rowCount;
  const later = await fill([0, 1, 2, 3, 4], [0, 0, 0, 0, 0], 1, 21);
  assert.is(
    await deskOf(cache, 64, 5, 1).restoreUnion(stored(first), stored(later), 1),
    undefined,
    'other lengths',
  );
  assert.is(
    await deskOf(cache, 64, 4, 1).restoreUnion(stored(first), stored(second), 1),
    undefined,
    'more rows than there is room for',
  );
  assert.is(cache.rowCount, rows, 'nothing changed');
  // whichever byte of either is changed, it is noticed, and said of which
  for (let at = 0; at < first.length; at += 3)
    for (const changed of [0, 1]) {
      const pair = [first, second].map((bytes, i) =>
        stored(i === changed ? bytes.map((b, j) => (j === at ? b ^ 4 : b)) : bytes, `episode ${i}`),
      );
      const error = await deskOf(cache, 64, 5, 1)
        .restoreUnion(pair[0], pair[1], 1)
        .then(
          () => undefined,
          (e) => e,
        );
      assert.is(error?.name, 'StoreError', `byte ${at} of ${changed}`);
      assert.is(error.stored, `episode ${changed}`);
    }
});
test('a union is the same as one made of whole states at once, for any shape and pieces', async () => {
  const random = createRandom(7);
  for (const [layers, kvHeads, rowType, pieceBytes] of [
    [1, 1, 'f32', 64],
    [2, 2, 'f16', 128],
    [3, 2, 'f32', 96],
    [2, 2, 'f16', 1 << 16],
  ] as const) {
    const kept = Array.from({ length: layers }, () => 40);
    const { cache } = setup(layers, kvHeads, kept, 40, rowType);
    const { backend } = cache;
    const fill = async (): Promise<{
      bytes: Uint8Array;
      rows: Map<number, { state: number; bytes: Uint8Array[] }>[];
    }> => {
      cache.resize(Array.from({ length: layers * kvHeads }, () => 20 + Math.floor(random() * 20)));
      const rows = cache.heads.flat().map((head) => {
        const all = Array.from({ length: 60 }, (_, t) => t).sort(() => random() - 0.5);
        const tokens = all.slice(0, head.length).sort((a, b) => a - b);
        for (const { name, bytes } of cache.columnsOf(0))
          for (let i = 0; i < head.length * bytes; i++)
            backend.bytes(head[name]! + i, 1)[0] = Math.floor(random() * 256);
        backend.ints(head.tokens, head.length).set(tokens);
        // with ties
        backend.floats(head.state, head.length).set(tokens.map(() => Math.floor(random() * 8) / 8));
        const row = (i: number) => ({
          state: backend.floats(head.state, head.length)[i],
          bytes: cache
            .columnsOf(0)
            .map(({ name, bytes }) => backend.bytes(head[name]! + i * bytes, bytes).slice()),
        });
        return new Map(tokens.map((token, i) => [token, row(i)]));
      });
      return { bytes: await takeBytes(cache, { token: 60, base: -1, rebasedAt: 0 }), rows };
    };
    const [a, b] = [await fill(), await fill()];
    const [sinks, recent] = [2, 3];
    await deskOf(cache, pieceBytes, 40, sinks).restoreUnion(
      stored(a.bytes),
      stored(b.bytes),
      recent,
    );
    cache.heads.flat().forEach((head, h) => {
      const [p, q] = [a.rows[h], b.rows[h]];
      const score = (t: number) =>
        t < sinks || t >= 60 - recent
          ? Number.POSITIVE_INFINITY
          : Math.max(p.get(t)?.state ?? -1, q.get(t)?.state ?? -1);
      const best = [...new Set([...p.keys(), ...q.keys()])].sort((t, u) =>
        score(t) === score(u) ? t - u : score(u) - score(t),
      );
      const wanted = best.slice(0, p.size).sort((t, u) => t - u);
      assert.equal([...backend.ints(head.tokens, head.length)], wanted);
      wanted.forEach((t, i) =>
        cache
          .columnsOf(0)
          .forEach(({ name, bytes }, c) =>
            assert.equal(
              backend.bytes(head[name]! + i * bytes, bytes).slice(),
              (p.get(t) ?? q.get(t))!.bytes[c],
            ),
          ),
      );
    });
  }
});
test.run();
