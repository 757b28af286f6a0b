// What sampling costs beside the model's step, at the largest common vocabulary (Qwen's): log-odds
// drawn like a model's, under all combinations of options, beside the matrix products of one step
// of the 135M shape with this vocabulary, on one thread. What is above LIMIT is marked, and fails.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightTypes } from '../src/backend/dtype.ts';
import { argmax } from '../src/engine/sampling/argmax.ts';
import type { SampleOptions } from '../src/engine/sampling/options.ts';
import { createDraw } from '../src/engine/sampling/sampler.ts';
import { createRandom } from '../src/math/rng.ts';
import type { BenchGroup } from './case.ts';
import { bestOf } from './limit.ts';
import { SHAPE } from './random-model.ts';

const VOCABULARY = 151936;
/** Percent of the step that sampling may take. */
const LIMIT = 5;
/** Rounds, in each of which every combination and the step are timed in turn. */
const ROUNDS = 20;

function* combinations(): Generator<[string, SampleOptions]> {
  yield ['greedy', {}];
  for (const temperature of [0.1, 0.2, 0.8, 1, 2])
    for (const topK of [0, 40, 5000, 50000])
      for (const topP of [1, 0.95])
        for (const minP of [0, 0.05])
          yield [
            `temperature ${temperature}` +
              (topK > 0 ? `, top-k ${topK}` : '') +
              (topP < 1 ? `, top-p ${topP}` : '') +
              (minP > 0 ? `, min-p ${minP}` : ''),
            { temperature, topK, topP, minP },
          ];
}

type Shape = (normal: () => number) => Float32Array;

/** Log-odds of a model that knows what comes, of one that does not, and ones that are masked. */
const shapes: Record<string, Shape> = {
  sure(normal) {
    const logits = Float32Array.from({ length: VOCABULARY }, () => 2.5 * normal());
    const best = argmax(logits);
    for (let i = 0; i < 40; i++) logits[(best + i * 977) % VOCABULARY] += 8 - i / 5;
    return logits;
  },
  unsure: (normal) => Float32Array.from({ length: VOCABULARY }, normal),
  flat: (normal) => Float32Array.from({ length: VOCABULARY }, () => 0.01 * normal()),
  masked: (normal) =>
    Float32Array.from({ length: VOCABULARY }, (_, i) =>
      i % 3 === 0 ? 2 * normal() : Number.NEGATIVE_INFINITY,
    ),
};

/** Multiply-adds of a step, done as one product after the other: layers and output. */
function createStep(): () => void {
  const { layers, width: D, heads, kvHeads, headDim: d, feedForward: F } = SHAPE;
  const backend = createWasmBackend({ threads: 1 });
  const type = weightTypes.find((t) => t.name === 'q8_0')!;
  const matrices = [
    [(heads + 2 * kvHeads) * d, D],
    [D, heads * d],
    [2 * F, D],
    [D, F],
  ];
  // the layers' weights one behind the other, so that they come from memory as a model's do
  const all = [...Array.from({ length: layers }, () => matrices).flat(), [VOCABULARY, D]];
  const weights = all.map(([rows, columns]) => ({
    address: backend.arena.allocate(backend.weightBytes(type, rows, columns)),
    type,
    rows,
    columns,
  }));
  const room = (columns: number) => ({ address: backend.arena.allocate(columns * 4), columns });
  const [x, y] = [room(Math.max(F, D)), room(VOCABULARY)];
  backend.reserveScratch({ tokens: 1, queryHeads: heads, kvHeads, headDim: d, width: F });
  return () => {
    for (const weight of weights)
      backend.linearOne([[{ address: y.address, columns: weight.rows }, weight]], {
        address: x.address,
        columns: weight.columns,
      });
  };
}

export const sampling: BenchGroup = {
  name: 'sampling',
  summary:
    `drawing a token of ${VOCABULARY}, as a share of the products of a step of the 135M ` +
    `shape with that vocabulary`,
  run(report) {
    const step = createStep();
    let slowest = 0;
    for (const [shape, make] of Object.entries(shapes)) {
      const random = createRandom(1);
      const logits = make(
        () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
      );
      const cases = [...combinations()];
      const draws = cases.map(([, options]) => createDraw(options));
      const works = draws.map((draw) => () => draw(logits, random()));
      const [ofStep, ...times] = bestOf([step, ...works], ROUNDS);
      for (const [i, own] of times.entries()) {
        const rate = (100 * own) / ofStep;
        slowest = Math.max(slowest, rate);
        report({
          name: `${cases[i][0]}, ${shape}`,
          rate,
          unit: '%',
          note:
            `${own.toFixed(2)} ms of ${ofStep.toFixed(1)} ms` +
            (rate > LIMIT ? `, ABOVE ${LIMIT} %` : ''),
        });
      }
    }
    if (slowest > LIMIT) {
      console.error(`sampling takes up to ${slowest.toFixed(1)} % of a step, at most ${LIMIT}`);
      process.exitCode = 1;
    }
    return Promise.resolve();
  },
};
