// Rows of few bits: as exact as their step allows, and, because they are rotated first, whatever
// stands out among the channels.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gridBytes, rowBytes, type RowType } from '../../src/backend/dtype.ts';
import {
  decodeRow,
  dequantize,
  encodeGroup,
  encodeRow,
  quantize,
  rotateRow,
  shareBits,
  unrotateRow,
} from '../../src/backend/row-codec.ts';
import { createRandom } from '../../src/math/rng.ts';

const test = suite('rows of few bits');
const types = [
  ['int8', 8],
  ['int4', 4],
  ['int3', 3],
] as const;
const dimensions = fc.constantFrom(8, 16, 24, 40, 64, 80, 96, 128);
const norm = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((sum, v) => sum + v * v, 0));

/** Keys rounded in groups of 32, and back. */
function grouped(keys: readonly number[][], type: RowType): Float64Array[] {
  const d = keys[0].length;
  const memory = new Uint8Array(gridBytes(type, d));
  const rest = { memory: memory.buffer, address: memory.length };
  return keys.flatMap((_, from) => {
    if (from % 32 > 0) return [];
    const { grid, rows } = encodeGroup(keys.slice(from, from + 32), type, 0);
    memory.set(grid);
    return rows.map((row) => decodeRow(row, d, type, 'keys', rest));
  });
}

test('rotating keeps lengths, and products of two rows, and can be taken back', () => {
  fc.assert(
    fc.property(dimensions, fc.integer(), (d, seed) => {
      const random = createRandom(seed);
      const [x, y] = [0, 1].map(() => Array.from({ length: d }, () => 2 * random() - 1));
      const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
        Array.from(a).reduce((sum, v, j) => sum + v * b[j], 0);
      assert.ok(Math.abs(dot(rotateRow(x), rotateRow(y)) - dot(x, y)) < 1e-9);
      unrotateRow(rotateRow(x)).forEach((v, j) => assert.ok(Math.abs(v - x[j]) < 1e-9));
    }),
  );
});
test('a row comes back within half a step of every rotated number, and its length within the error of rounding', () => {
  fc.assert(
    fc.property(
      dimensions,
      fc.integer(),
      fc.double({ min: 0.01, max: 100, noNaN: true }),
      (d, seed, scale) => {
        const random = createRandom(seed);
        const x = Array.from({ length: d }, () => scale * (2 * random() - 1));
        for (const [type, bits] of types) {
          const bytes = encodeRow(x, type);
          assert.is(bytes.length, rowBytes(type, d));
          const rotated = rotateRow(x);
          const step = (Math.max(...rotated) - Math.min(...rotated)) / (2 ** bits - 1);
          // the ends of the range are f16: they may lie that much off
          const slack = 2 ** -9 * Math.max(...rotated.map(Math.abs));
          rotateRow(decodeRow(bytes, d, type)).forEach((y, j) =>
            assert.ok(Math.abs(y - rotated[j]) <= step / 2 + slack, `${type}: ${y}, ${rotated[j]}`),
          );
        }
      },
    ),
  );
});
test('a row of zeros, and one of tiny numbers, come back', () => {
  for (const [type] of types)
    for (const value of [0, 1e-9])
      decodeRow(encodeRow(new Array(16).fill(value), type), 16, type).forEach((v) =>
        assert.ok(Math.abs(v - value) < 1e-7),
      );
});
test('keys with outlier channels: attention on rotated 4-bit rows stays right where rows rounded as they are collapse', () => {
  const [d, n, outliers] = [64, 200, [5, 40]];
  const random = createRandom(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const keys = Array.from({ length: n }, () =>
    Array.from({ length: d }, (_, j) => (outliers.includes(j) ? 40 + normal() : normal())),
  );
  const query = Array.from({ length: d }, (_, j) => (outliers.includes(j) ? 0.1 : 1.5) * normal());
  const attend = (rows: readonly ArrayLike<number>[]) => {
    const scores = rows.map((k) => query.reduce((sum, q, j) => sum + q * k[j], 0) / Math.sqrt(d));
    const peak = Math.max(...scores);
    const weights = scores.map((s) => Math.exp(s - peak));
    const mass = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / mass);
  };
  const exact = attend(keys);
  const off = (rows: readonly ArrayLike<number>[]) =>
    norm(attend(rows).map((w, i) => w - exact[i])) / norm(exact);
  const rotated = off(keys.map((k) => decodeRow(encodeRow(k, 'int4'), d, 'int4')));
  const perChannel = off(grouped(keys, 'kivi-int4'));
  const asTheyAre = off(keys.map((k) => dequantize(quantize(k, 4), d, 4)));
  assert.ok(
    rotated < 0.5 * asTheyAre,
    `rotated ${rotated.toFixed(3)}, as they are ${asTheyAre.toFixed(3)}`,
  );
  assert.ok(perChannel < 0.5 * asTheyAre, `per channel ${perChannel.toFixed(3)}`);
});
test('channels that differ: bits shared among them by need are worth more than as many for each', () => {
  const [d, n] = [64, 128];
  const random = createRandom(11);
  const sizes = Array.from({ length: d }, () => 4 ** (2 * random() - 1));
  const keys = Array.from({ length: n }, () => sizes.map((size) => size * (2 * random() - 1)));
  const off = (rows: readonly ArrayLike<number>[]) =>
    rows.reduce((sum, row, i) => sum + norm(keys[i].map((v, j) => v - row[j])) ** 2, 0);
  const [equal, shared, less] = (['kivi-int4', 'kivi-mixed4', 'kivi-mixed3.5'] as const).map(
    (type) => off(grouped(keys, type)),
  );
  assert.ok(shared < 0.75 * equal, `${shared}, ${equal}`);
  assert.ok(less > shared, `${less}, ${shared}`);
  // 8 times the range is 3 bits more
  assert.equal(shareBits([1, 1, 8, 8], 18), [3, 3, 6, 6]);
});
test.run();
