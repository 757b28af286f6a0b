// What sampling must draw: the definition, written for reading, and log-odds and options that are
// hard to draw from.
import type { SampleOptions } from '../../../src/engine/sampling/options.ts';
import { createRandom } from '../../../src/math/rng.ts';

/** The definition, for one random number. */
export function defined(logits: Float32Array, options: SampleOptions, random: number): number {
  const { temperature = 0, topK = 0, topP = 1, minP = 0 } = options;
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  if (temperature === 0) return order[0];
  let kept = topK > 0 ? order.slice(0, topK) : order;
  const best = logits[kept[0]];
  let weights = kept.map((i) => Math.exp(logits[i] - best));
  if (topP < 1) {
    const sum = weights.reduce((a, b) => a + b, 0);
    let mass = 0;
    let count = 0;
    while (count < kept.length && mass < topP * sum) mass += weights[count++];
    kept = kept.slice(0, count);
  }
  if (minP > 0) kept = kept.filter((_, i) => weights[i] >= minP);
  weights = kept.map((i) => Math.exp((logits[i] - best) / temperature));
  let left = random * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < kept.length; i++) {
    left -= weights[i];
    if (left < 0) return kept[i];
  }
  return kept[kept.length - 1];
}

const random = createRandom(11);
export const normal = () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
/** Shapes of log-odds, by what is hard about them. */
export const shapes: Record<string, (i: number, V: number) => number> = {
  'like a model': () => 3 * normal(),
  flat: () => 0.01 * normal(),
  peaked: (i, V) => (i === V >> 1 ? 30 : 2 * normal()),
  'wide apart': () => 100 * normal(),
  'very wide apart': () => 1e30 * normal(),
  ties: () => Math.round(2 * normal()),
  'all equal': () => -7.5,
  'two values': (i) => (i % 3 === 0 ? 1 : -1),
  'zeros of both signs': (i) => (i % 2 === 0 ? 0 : -0),
  'mostly impossible': (i) => (i % 50 === 0 ? normal() : Number.NEGATIVE_INFINITY),
  'masked by a number': (i) => (i % 50 === 0 ? 4 * normal() : -3e38),
  'masked by -1e4': (i) => (i % 7 === 0 ? 4 * normal() : -1e4 + normal()),
  denormal: () => 1e-44 * normal(),
  descending: (i) => -i / 100,
  ascending: (i) => i / 100,
  'one unit in the last place apart': (i) => 8 + (i % 5) * 2 ** -20,
};
export const optionsOf: SampleOptions[] = [
  { temperature: 0 },
  { temperature: 1 },
  { temperature: 0.7 },
  { temperature: 5 },
  { temperature: 0.05 },
  { temperature: 1e-7 },
  { temperature: 1e-310 },
  { temperature: 1e5 },
  { temperature: 1e308 },
  { temperature: 1, topK: 1 },
  { temperature: 1, topK: 40 },
  { temperature: 2, topK: 2048 },
  { temperature: 2, topK: 2500 },
  { temperature: 1, topK: 1e9 },
  { temperature: 1, topP: 0.9 },
  { temperature: 3, topP: 0.5 },
  { temperature: 1, topP: 1e-9 },
  { temperature: 1, topP: 0.999999999999 },
  { temperature: 1, minP: 0.05 },
  { temperature: 3, minP: 1 },
  { temperature: 8, minP: 1e-5 },
  { temperature: 1, minP: 1e-300 },
  { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05 },
  { temperature: 4, topK: 2600, topP: 0.9, minP: 1e-4 },
  { temperature: 1.5, topP: 0.97, minP: 0.001 },
];
