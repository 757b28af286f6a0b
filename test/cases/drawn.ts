// Numbers drawn at random, the same for a seed on every machine.
import { createRandom } from '../../src/math/rng.ts';

export interface Drawn {
  /** Normal numbers, now and then a large one or a zero. */
  numbers(count: number): Float32Array<ArrayBuffer>;
  whole(below: number): number;
}

export function createDrawn(seed: number): Drawn {
  const random = createRandom(seed);
  return {
    numbers: (count) =>
      Float32Array.from({ length: count }, () => {
        const r = random();
        const n = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        return r < 0.02 ? 0 : r < 0.03 ? 20 * n : n;
      }),
    whole: (below) => Math.floor(random() * below),
  };
}
