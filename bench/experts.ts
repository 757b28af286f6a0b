// Layers of experts beside a dense layer with as many weights that a token meets. Both have as many
// layers as hold all experts once, taken in turn, so that neither finds its weights in a cache.
import { weightRowBytes, type WeightType, weightTypes } from '../src/backend/dtype.ts';
import type { Choice, ExpertLayer, ExpertMatrix } from '../src/backend/experts.ts';
import type { Tensor, Weight } from '../src/backend/tensor.ts';
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import { weightFile } from '../test/cases/weight-file.ts';
import type { BenchGroup } from './case.ts';
import { bestOf } from './limit.ts';

const [D, F, E, USED] = [1024, 512, 64, 8];
const LAYERS = E / USED;
const type = weightTypes.find(({ name }) => name === 'q4_k')!;

/** Random bytes of 64 rows again and again: drawing them all would take longest. */
function drawn(inputs: Inputs, own: WeightType, rows: number, columns: number): Weight {
  const address = inputs.room(inputs.backend.weightBytes(own, rows, columns));
  const weight = { address, type: own, rows, columns };
  const step = Math.min(64, rows);
  const file = weightFile(inputs, own, step, columns);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const bytes = file.subarray(0, count * weightRowBytes(own, columns));
    inputs.backend.packRows(weight, row, count, bytes);
  }
  return weight;
}

/** A model's feed-forward of experts, the router included: which are chosen goes round. */
function expertLayer(inputs: Inputs, x: Tensor, T: number): () => void {
  const { backend } = inputs;
  const matrix = (m: number, k: number): ExpertMatrix => ({
    weight: drawn(inputs, type, E * m, k),
  });
  const layer: ExpertLayer = {
    gate: matrix(F, D),
    up: matrix(F, D),
    down: matrix(D, F),
    activation: 'silu',
  };
  const router = drawn(inputs, weightTypes[0], E, D);
  const [logits, y] = [inputs.empty(T, E), inputs.empty(T, D)];
  const choice: Choice = { ids: inputs.room(T * USED * 4), weights: inputs.empty(T, USED) };
  const ids = backend.ints(choice.ids, T * USED);
  let turn = 0;
  return () => {
    backend.linear([[logits, router]], x, T);
    const how = { used: USED, gate: 'softmax', renormalise: true } as const;
    backend.experts!.route(choice, logits, T, how);
    // of one token: all experts in turn; of many: spread as a router would
    for (let i = 0; i < T * USED; i++) {
      const [t, j] = [Math.floor(i / USED), i % USED];
      ids[i] = (turn * USED + j * (T === 1 ? 1 : 8) + t * 5) % E;
    }
    turn++;
    backend.experts!.apply(y, x, T, choice, layer, true);
  };
}

function denseLayer(inputs: Inputs, x: Tensor, T: number): () => void {
  const { backend } = inputs;
  const inner = USED * F;
  const layers = Array.from({ length: T === 1 ? LAYERS : 1 }, () => [
    drawn(inputs, type, inner, D),
    drawn(inputs, type, inner, D),
    drawn(inputs, type, D, inner),
  ]);
  const [gate, up, y, room] = [inner, inner, D, D].map((columns) => inputs.empty(T, columns));
  let turn = 0;
  return () => {
    const [wGate, wUp, wDown] = layers[turn++ % layers.length];
    backend.gated(gate, [gate, wGate], [up, wUp], x, T, 'silu');
    backend.linear([[y, wDown]], gate, T, { adds: true, room });
  };
}

export const experts: BenchGroup = {
  name: 'experts',
  summary: `${USED} of ${E} experts of ${D} x ${F}, beside a dense layer with as many active weights`,
  async run(report) {
    for (const threads of [1, 2])
      for (const T of [1, 32, 256]) {
        const backend = createWasmBackend({ threads });
        const shape = { experts: E, used: USED, width: D, inner: F };
        const heads = { queryHeads: 1, kvHeads: 1, headDim: 64 };
        backend.reserveScratch({ tokens: T, ...heads, width: USED * F, experts: shape });
        const inputs = new Inputs(backend, 1);
        const x = inputs.tensor(T, D);
        const [few, dense] = [expertLayer(inputs, x, T), denseLayer(inputs, x, T)];
        // the least: of two that take as long, what else the machine does hits one
        const [ms, denseMs] = bestOf([few, dense], T === 1 ? 400 : 15);
        const name = T === 1 ? 'decode' : `prefill of ${T}`;
        report({
          name: `experts ${name}, ${threads} thread${threads === 1 ? '' : 's'}`,
          rate: (1000 * T) / ms,
          unit: 'tokens/s',
          peers: [{ name: 'dense', rate: (1000 * T) / denseMs }],
          note: `${Math.round((100 * denseMs) / ms)}% of the dense rate`,
        });
        backend.dispose();
      }
  },
};
