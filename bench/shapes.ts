// Models that people run, by their shapes in Q4_K, beside llama.cpp native and in WebAssembly on
// the same files. The bars are 0.5 x / 0.9 x the first (prompt / reply) and 8 x / 6 x the second.
import { loadModel, type Model } from '../src/engine/model.ts';
import { besideOthers, THREADS } from './beside.ts';
import type { BenchGroup } from './case.ts';
import { shapeModel } from './shape-files.ts';
import { shapes } from './shape-models.ts';

const TASK = { prompt: 512, reply: 64, rounds: 3, wllamaShare: 1 / 4 };

export const shapesOfModels: BenchGroup = {
  name: 'shapes',
  summary:
    `random weights in Q4_K: ${shapes.map(({ name }) => name).join(', ')}; all sides in turn, ` +
    `best of ${TASK.rounds}; wllama does a quarter`,
  async run(report) {
    for (const shape of shapes) {
      const path = shapeModel(shape);
      const models: Model[] = [];
      for (const threads of THREADS) models.push(await loadModel(path, { threads }));
      await besideOthers(report, models, { path, ...TASK }, `${shape.name}, `);
      for (const model of models) model.dispose();
    }
  },
};
