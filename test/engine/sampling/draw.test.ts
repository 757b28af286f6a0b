// Draws of random log-odds under random options are the definition's, and fall as often as their
// probabilities say.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SampleOptions } from '../../../src/engine/sampling/options.ts';
import { createDraw } from '../../../src/engine/sampling/sampler.ts';
import { createRandom } from '../../../src/math/rng.ts';
import { defined } from './oracle.ts';

const test = suite('sampling, drawing');

/** Log-odds: drawn from a bell of some width, rounded to make ties, some of them masked, a peak. */
const anyLogits = (most: number) =>
  fc
    .record({
      V: fc.integer({ min: 1, max: most }),
      seed: fc.integer(),
      spread: fc.constantFrom(1e-6, 0.01, 1, 3, 30, 1e4),
      step: fc.constantFrom(0, 0, 0.5),
      masked: fc.constantFrom(0, 0, 0.5, 0.99),
      mask: fc.constantFrom(Number.NEGATIVE_INFINITY, -1e4, -3e38),
      peak: fc.constantFrom(0, 0, 20),
    })
    .map(({ V, seed, spread, step, masked, mask, peak }) => {
      const random = createRandom(seed);
      const normal = () =>
        Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      const logits = Float32Array.from({ length: V }, () => {
        const l = spread * normal();
        if (random() < masked) return mask;
        return step > 0 ? Math.round(l / step) * step : l;
      });
      logits[Math.floor(random() * V)] = peak;
      return logits;
    });
const anyOptions = (most: number): fc.Arbitrary<SampleOptions> =>
  fc.record({
    temperature: fc.oneof(
      fc.constantFrom(0.01, 0.1, 0.2, 0.8, 1, 2, 50),
      fc.double({ min: 0.005, max: 4, noNaN: true }),
    ),
    topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: most })),
    topP: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 1, noNaN: true })),
    minP: fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 0.3, noNaN: true })),
  });

test('a token is the one of the definition, however many are sorted at once', () => {
  fc.assert(
    fc.property(
      anyLogits(3000),
      anyOptions(3000),
      fc.constantFrom(1, 4, 16, 300, 8192),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (logits, options, few, u) => {
        const drawAt = createDraw(options, few);
        for (const random of [u, 0, 1 - 2 ** -32, u])
          assert.is(drawAt(logits, random), defined(logits, options, random));
      },
    ),
    { numRuns: 1000 },
  );
});

test('so it is in vocabularies of which only some are looked at first', () => {
  fc.assert(
    fc.property(
      anyLogits(60000),
      anyOptions(60000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (logits, options, u) => {
        assert.is(createDraw(options)(logits, u), defined(logits, options, u));
      },
    ),
    { numRuns: 60 },
  );
});

test('a sampler that drew from one vocabulary draws rightly from the next', () => {
  for (const options of [{ temperature: 1 }, { temperature: 0.1, topP: 0.9 }]) {
    const drawAt = createDraw(options, 16);
    fc.assert(
      fc.property(anyLogits(500), (logits) => {
        assert.is(drawAt(logits, 0.37), defined(logits, options, 0.37));
      }),
      { numRuns: 100 },
    );
  }
});

/** Chi-square of 11 degrees of freedom that chance exceeds once in 10,000 times. */
const RARE = 37.4;

test('tokens fall as often as their probabilities say', () => {
  // twelve tokens that matter, each as many times in the vocabulary as it is hard to see
  const V = 1200;
  const kinds = 12;
  const odds = Array.from({ length: kinds }, (_, kind) => 2 - 0.25 * kind);
  const logits = Float32Array.from({ length: V }, (_, i) => odds[i % kinds]);
  for (const options of [
    { temperature: 1 },
    { temperature: 0.8, topK: 1190 },
    { temperature: 2, topP: 0.999 },
    { temperature: 1.5, minP: 0.01 },
  ]) {
    const weights = odds.map((l) => (V / kinds) * Math.exp(l / options.temperature));
    // what top-k leaves of the last kind, and top-p (all but the last few of it)
    const cut = options.topK ? 10 : options.topP ? cutOfLast(odds, V / kinds, options.topP) : 0;
    weights[kinds - 1] *= 1 - cut / (V / kinds);
    const sum = weights.reduce((a, b) => a + b);
    const drawAt = createDraw(options, 16);
    const random = createRandom(5);
    const draws = 12000;
    const seen = new Array<number>(kinds).fill(0);
    for (let i = 0; i < draws; i++) seen[drawAt(logits, random()) % kinds]++;
    const chi = seen.reduce((total, n, kind) => {
      const expected = (draws * weights[kind]) / sum;
      return total + (n - expected) ** 2 / expected;
    }, 0);
    assert.ok(chi < RARE, `${JSON.stringify(options)}: chi-square ${chi.toFixed(1)}, at most 37.4`);
  }
});

/** How many of the last kind's tokens top-p leaves out, probabilities being before temperature. */
function cutOfLast(odds: readonly number[], each: number, topP: number): number {
  const weights = odds.map((l) => each * Math.exp(l));
  const sum = weights.reduce((a, b) => a + b);
  return Math.floor(((1 - topP) * sum) / Math.exp(odds[odds.length - 1]));
}

test.run();
