// The sampler against its definition: all tokens sorted, weights added up in order in f64. Equal
// tokens for equal random numbers.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type SampleOptions, sampleTable } from '../../../src/engine/sampling/options.ts';
import { createDraw, createSampler } from '../../../src/engine/sampling/sampler.ts';
import { createRandom } from '../../../src/math/rng.ts';
import { defined, normal, optionsOf, shapes } from './oracle.ts';

const test = suite('sampling');

for (const [name, shape] of Object.entries(shapes)) {
  test(`the token is the definition's where log-odds are ${name}`, () => {
    for (const V of [1, 2, 3, 50, 2048, 2049, 5000]) {
      const logits = Float32Array.from({ length: V }, (_, i) => shape(i, V));
      for (const options of optionsOf) {
        const seed = (V * 31 + optionsOf.indexOf(options)) | 0;
        const sample = createSampler({ ...options, seed });
        const byBuckets = createDraw(options, 32);
        const numbers = createRandom(seed);
        for (let draw = 0; draw < 3; draw++) {
          const u = options.temperature === 0 ? 0 : numbers();
          const expected = defined(logits, options, u);
          const name = `V ${V}, ${JSON.stringify(options)}, random ${u}`;
          assert.is(sample(logits), expected, name);
          assert.is(byBuckets(logits, u), expected, `by buckets, ${name}`);
        }
      }
    }
  });
}

test('random numbers at the ends, and exactly between two tokens, draw as defined', () => {
  // equal tokens: sums are exact, and so is where one ends and the next begins
  const logits = new Float32Array(4096);
  for (const options of [
    { temperature: 1 },
    { temperature: 2, topP: 0.5 },
    { temperature: 1, topK: 3000 },
    { temperature: 3, minP: 0.5 },
  ]) {
    const drawAt = createDraw(options, 32);
    const count = options.topP ? 2048 : (options.topK ?? 4096);
    for (const u of [
      0,
      2 ** -32,
      1 / 4096,
      1 / 2048,
      0.25,
      0.5,
      0.5 - 2 ** -32,
      3 / 8,
      0.999,
      1 - 2 ** -32,
    ]) {
      assert.is(
        drawAt(logits, u),
        defined(logits, options, u),
        `${JSON.stringify(options)}, random ${u}`,
      );
      assert.ok(drawAt(logits, u) < count);
    }
  }
  for (const [name, shape] of Object.entries(shapes)) {
    const odds = Float32Array.from({ length: 3000 }, (_, i) => shape(i, 3000));
    for (const options of optionsOf.slice(1)) {
      const drawAt = createDraw(options, 32);
      for (const u of [0, 2 ** -32, 0.5, 1 - 2 ** -32])
        assert.is(
          drawAt(odds, u),
          defined(odds, options, u),
          `${name}, ${JSON.stringify(options)}, ${u}`,
        );
    }
  }
});

test('log-odds that are not finite are refused, greedy or not', () => {
  const bad: [number[], RegExp][] = [
    [[1, Number.NaN, 2], /log-odds of token 1 are NaN/],
    [[Number.NaN, 1, 2], /token 0 are NaN/],
    [[1, 2, Number.NaN], /token 2 are NaN/],
    [[1, Number.POSITIVE_INFINITY, 2], /token 1 are Infinity/],
    [[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], /token 0 are -Infinity/],
    [[Number.NEGATIVE_INFINITY, Number.NaN], /token 1 are NaN/],
    [[], /token 0 are missing/],
  ];
  for (const options of optionsOf)
    for (const [logits, pattern] of bad)
      assert.throws(
        () => createSampler(options)(Float32Array.from(logits)),
        (e: Error) => e.name === 'ModelFormatError' && pattern.test(e.message),
      );
});

test('a seed is kept, or made up and told', () => {
  const logits = Float32Array.from({ length: 1000 }, () => normal());
  const drawn = (options: SampleOptions) => {
    const sample = createSampler({ temperature: 1, ...options });
    return { seed: sample.seed, tokens: Array.from({ length: 20 }, () => sample(logits)) };
  };
  const [a, b] = [drawn({}), drawn({})];
  assert.ok(a.seed !== b.seed && String(a.tokens) !== String(b.tokens));
  assert.ok(Number.isInteger(a.seed) && a.seed >= 0 && a.seed < 2 ** 32);
  assert.equal(drawn({ seed: a.seed }), a);
  for (const seed of [0, -1, 7, 2 ** 32, 2 ** 53 - 1, -(2 ** 31)])
    assert.equal(drawn({ seed }), drawn({ seed }));
  // the tokens that a seed has always given
  const known = Float32Array.from({ length: 64 }, (_, i) => (i * 37) % 11);
  const sample = createSampler({ temperature: 1.5, seed: 3 });
  assert.equal(
    Array.from({ length: 8 }, () => sample(known)),
    [60, 8, 63, 8, 2, 63, 63, 19],
  );
  assert.is(createSampler().seed, 0);
});

test('options out of range and of a wrong kind are refused by name', () => {
  const wrong = [
    null,
    '1',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    true,
    [],
    {},
    Symbol('s'),
    () => 1,
  ];
  for (const name of Object.keys(sampleTable))
    for (const value of wrong)
      assert.throws(
        () => createSampler({ [name]: value } as SampleOptions),
        (e: Error) => e.name === 'OptionError' && e.message.startsWith(`${name} is `),
        `${name} ${String(value)}`,
      );
  for (const bad of [
    { temperature: -1 },
    { topK: 1.5 },
    { topK: -1 },
    { topP: 0 },
    { topP: 1.1 },
    { minP: 2 },
    { minP: -0.1 },
    { seed: 0.1 },
    { seed: 2 ** 53 },
  ])
    assert.throws(
      () => createSampler(bad),
      (e: Error) => e.name === 'OptionError' && e.message.startsWith(`${Object.keys(bad)[0]} is `),
    );
  createSampler({ temperature: undefined, topK: undefined, seed: undefined });
});

test.run();
