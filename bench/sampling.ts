// What sampling costs beside the model's step, at the largest common vocabulary (Qwen's): log-odds
// drawn like a model's, every filter alone and all together, beside the matrix products of one step
// of the 135M shape with this vocabulary, on one thread.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightTypes } from '../src/backend/dtype.ts';
import { argmax, createDraw, type SampleOptions } from '../src/engine/sample.ts';
import { createRandom } from '../src/math/rng.ts';
import type { BenchGroup } from './case.ts';
import { sideBySide } from './limit.ts';
import { SHAPE } from './random-model.ts';

const VOCABULARY = 151936;
/** Draws before any is timed: a reply's first tokens are compiled, the others are what counts. */
const WARM_UP = 40;
const cases: readonly [string, SampleOptions][] = [
  ['greedy', {}],
  ['temperature 1', { temperature: 1 }],
  ['temperature 0.7', { temperature: 0.7 }],
  ['temperature 2', { temperature: 2 }],
  ['top-k 40', { temperature: 1, topK: 40 }],
  ['top-k 50000', { temperature: 1, topK: 50000 }],
  ['top-p 0.95', { temperature: 1, topP: 0.95 }],
  ['min-p 0.05', { temperature: 1, minP: 0.05 }],
  ['top-k 40, top-p 0.95, min-p 0.05', { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05 }],
  [
    'top-k 100000, top-p 0.99, min-p 0.00001, temperature 3',
    { temperature: 3, topK: 100000, topP: 0.99, minP: 0.00001 },
  ],
];

/** Log-odds of two kinds: a model that knows what comes, and one that does not. */
const kinds = { sure: 2.5, unsure: 1 } as const;

/** Multiply-adds of a step, done as one product after the other: layers and output. */
function createStep(): () => void {
  const { layers, width: D, heads, kvHeads, headDim: d, feedForward: F } = SHAPE;
  const backend = createWasmBackend({ threads: 1 });
  const type = weightTypes.find((t) => t.name === 'q8_0')!;
  const shapes = [
    [(heads + 2 * kvHeads) * d, D],
    [D, heads * d],
    [2 * F, D],
    [D, F],
  ];
  // the layers' weights one behind the other, so that they come from memory as a model's do
  const all = [...Array.from({ length: layers }, () => shapes).flat(), [VOCABULARY, D]];
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
  async run(report) {
    const step = createStep();
    for (const [kind, spread] of Object.entries(kinds)) {
      const random = createRandom(1);
      const normal = () =>
        Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      const logits = Float32Array.from({ length: VOCABULARY }, () => spread * normal());
      const best = argmax(logits);
      if (kind === 'sure')
        for (let i = 0; i < 40; i++) logits[(best + i * 977) % VOCABULARY] += 8 - i / 5;
      for (const [name, options] of cases) {
        const draw = createDraw(options);
        for (let i = 0; i < WARM_UP; i++) draw(logits, random());
        const [own, ofStep] = await sideBySide([() => draw(logits, random()), step]);
        report({
          name: `${name}, ${kind}`,
          rate: (100 * own) / ofStep,
          unit: '%',
          note: `${own.toFixed(2)} ms of ${ofStep.toFixed(1)} ms`,
        });
      }
    }
  },
};
