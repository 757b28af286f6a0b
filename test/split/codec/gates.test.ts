// Gates: their gradient against finite differences, and the way from the most bits to the target.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../../src/math/rng.ts';
import { bitsGradient } from '../../../src/split/codec/bits-gradient.ts';
import { Gates } from '../../../src/split/codec/gates.ts';

const test = suite('split, gates');

/** Numbers of T tokens, each channel of a size of its own. */
function numbersOf(T: number, sizes: readonly number[], seed: number): Float32Array {
  const random = createRandom(seed);
  const D = sizes.length;
  return Float32Array.from({ length: T * D }, (_, i) => sizes[i % D] * (random() - 0.5));
}

/** x on grids of real bits, by channel: as bitsGradient() has it. */
function rounded(x: Float32Array, D: number, bits: Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let c = 0; c < D; c++) {
    const channel = x.filter((_, i) => i % D === c);
    const lo = channel.reduce((a, b) => Math.min(a, b));
    const range = channel.reduce((a, b) => Math.max(a, b)) - lo;
    const n = 2 ** bits[c] - 1;
    for (let i = c; i < x.length; i += D)
      out[i] = lo + (range * Math.round(((x[i] - lo) / range) * n)) / n;
  }
  return out;
}

test('the gradient is that of what rounding does to a loss', () => {
  // loss = w_c / 2 |x_hat - x|^2, whose gradient at x_hat is w_c (x_hat - x)
  const weights = [1, 3, 0.2];
  const D = weights.length;
  const x = numbersOf(40000, [1, 5, 20], 3);
  const bits = Float64Array.of(3.3, 4.6, 5.5);
  const lossOf = (b: Float64Array, c: number) =>
    rounded(x, D, b).reduce((sum, v, i) => sum + (i % D === c ? (v - x[i]) ** 2 : 0), 0) *
    (weights[c] / 2);
  const hat = rounded(x, D, bits);
  const dx = Float32Array.from(x, (v, i) => weights[i % D] * (hat[i] - v));
  const found = new Float64Array(D);
  bitsGradient(found, x, dx, bits, { width: D });
  const h = 0.2;
  for (let c = 0; c < D; c++) {
    const [above, below] = [h, -h].map((step) => bits.map((b, i) => (i === c ? b + step : b)));
    const difference = (lossOf(above, c) - lossOf(below, c)) / (2 * h);
    assert.ok(difference < 0);
    assert.ok(
      Math.abs(found[c] / difference - 1) < 0.06,
      `channel ${c}: ${found[c]}, by differences ${difference}`,
    );
  }
});

test('gradients of positions are those of channels of the other way round', () => {
  const [T, D] = [6, 50];
  const x = numbersOf(T, new Array(D).fill(1), 5);
  const dx = numbersOf(T, new Array(D).fill(1), 6);
  const turn = (y: Float32Array) => y.map((_, i) => y[(i % T) * D + Math.floor(i / T)]);
  const bits = Float64Array.of(2.5, 3, 4.2, 5);
  const positions = [0, 1, 2, 3, 0, 1]; // two samples
  const found = new Float64Array(4);
  bitsGradient(found, x, dx, bits, { width: D, positions });
  const ofRows = new Float64Array(T);
  bitsGradient(
    ofRows,
    turn(x),
    turn(dx),
    Float64Array.from(positions, (p) => bits[p]),
    {
      width: T,
    },
  );
  const expected = [ofRows[0] + ofRows[4], ofRows[1] + ofRows[5], ofRows[2], ofRows[3]];
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(found[i] - value) <= 1e-9 * Math.abs(value));
});

/** Steps of a task that channel c's errors cost weights[c] each. */
function train(gates: Gates, weights: readonly number[], steps: number): void {
  const D = weights.length;
  for (let step = 0; step < steps; step++) {
    const x = numbersOf(32, new Array(D).fill(1), 100 + step);
    const hat = rounded(x, D, gates.real);
    gates.learn(
      x,
      Float32Array.from(x, (v, i) => weights[i % D] * (hat[i] - v)),
      { width: D },
    );
    gates.step();
  }
}
const WEIGHTS = [0, 0, 0, 10, 0, 0, 3, 0, 0];
const sum = (numbers: ArrayLike<number>) => Array.from(numbers).reduce((a, b) => a + b, 0);

for (const penalty of ['squared', 'linear'] as const)
  test(`${penalty}: from the most to exactly the target, dear channels fall less`, () => {
    for (const target of [4, 3, 3.5]) {
      const gates = new Gates(WEIGHTS.length, { target, penalty, warmup: 3, rate: 0.1 });
      // an error a bit further down costs four times as much
      const weights = WEIGHTS.map((weight) => weight * 4 ** (target - 3));
      train(gates, weights, 3);
      let before = gates.report().realBits;
      for (let step = 0; step < 300 && !gates.isFrozen; step++) {
        train(gates, weights, 1);
        const { realBits, wholeBits, rounding } = gates.report();
        assert.ok(realBits < before + 0.2, 'bits rise');
        assert.ok(rounding <= 0.5 || gates.isFrozen);
        assert.ok(Math.abs(realBits - wholeBits) <= 0.5 || gates.isFrozen);
        before = realBits;
      }
      assert.ok(gates.isFrozen, 'the target was not reached');
      const { whole } = gates;
      assert.is(sum(whole), Math.floor(target * WEIGHTS.length));
      const others = whole.filter((_, c) => WEIGHTS[c] === 0);
      for (const dear of [whole[3], whole[6]])
        assert.ok(
          others.every((bits) => bits <= dear),
          `${whole}`,
        );
      assert.ok(whole[3] > Math.min(...others), `${whole}`);
      train(gates, weights, 2);
      assert.equal(gates.whole, whole, 'frozen gates move');
    }
  });

test('warm-up holds the most bits, and a step to freeze at is kept', () => {
  const gates = new Gates(5, { warmup: 4, freezeAt: 7, target: 2.6, rate: 1e-4 });
  train(gates, [1, 1, 1, 1, 1], 3);
  assert.equal([...gates.real, ...gates.whole], new Array(10).fill(8));
  train(gates, [1, 1, 1, 1, 1], 3);
  assert.not(gates.isFrozen);
  train(gates, [1, 1, 1, 1, 1], 1);
  assert.ok(gates.isFrozen);
  assert.is(sum(gates.whole), 13);
});

test('saved and restored, gates go on as if nothing had been', () => {
  const options = { warmup: 2, rate: 0.1 };
  const [one, other] = [new Gates(9, options), new Gates(9, options)];
  train(one, WEIGHTS, 8);
  other.restore(structuredClone(one.save()));
  train(one, WEIGHTS, 30);
  train(other, WEIGHTS, 30);
  assert.equal(other.save(), one.save());
  assert.throws(() => new Gates(8).restore(one.save()), /9 channels, expected 8/);
});

test('bits that cannot be are refused', () => {
  assert.throws(() => new Gates(4, { target: 9 }), /9 on average, 2 to 8/);
  assert.throws(() => new Gates(4, { least: 0 }), /whole numbers from 1 to 8/);
  assert.throws(() => new Gates(4, { most: 7.5 }), /whole numbers from 1 to 8/);
  assert.throws(() => new Gates(4, { target: Number.NaN }), /NaN on average/);
});

test.run();
