// Rounding cache rows and widening them again, beside plain JavaScript that does the same without
// rotating, and beside copying.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { rowBytes } from '../src/backend/dtype.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import type { BenchGroup } from './case.ts';
import { sideBySide } from './limit.ts';

const [ROWS, WIDTH] = [4096, 128];

/** Rows of int8 with a step and a lowest value each. */
function plainQuantize(codes: Uint8Array, scales: Float32Array, x: Float32Array): void {
  for (let i = 0; i < ROWS; i++) {
    let lo = Number.POSITIVE_INFINITY;
    let hi = Number.NEGATIVE_INFINITY;
    for (let j = i * WIDTH; j < (i + 1) * WIDTH; j++) {
      if (x[j] < lo) lo = x[j];
      if (x[j] > hi) hi = x[j];
    }
    const by = 255 / (hi - lo);
    scales[2 * i] = (hi - lo) / 255;
    scales[2 * i + 1] = lo;
    for (let j = i * WIDTH; j < (i + 1) * WIDTH; j++) codes[j] = Math.round((x[j] - lo) * by);
  }
}

function plainDequantize(x: Float32Array, codes: Uint8Array, scales: Float32Array): void {
  for (let i = 0; i < ROWS; i++) {
    const [step, lo] = [scales[2 * i], scales[2 * i + 1]];
    for (let j = i * WIDTH; j < (i + 1) * WIDTH; j++) x[j] = codes[j] * step + lo;
  }
}

export const rows: BenchGroup = {
  name: 'rows',
  summary: `rounding ${ROWS} rows of ${WIDTH} f32 and widening them, one thread; GB/s of f32`,
  async run(report) {
    const backend = createWasmBackend({ threads: 1 });
    backend.reserveScratch({ tokens: 8, queryHeads: 1, kvHeads: 1, headDim: WIDTH, width: 2048 });
    const inputs = new Inputs(backend, 1);
    const x = inputs.tensor(ROWS, WIDTH);
    const wide = inputs.empty(ROWS, WIDTH);
    const list = inputs.room(ROWS * 4);
    backend.ints(list, ROWS).set(Array.from({ length: ROWS }, (__, i) => i));
    const numbers = backend.floats(x.address, ROWS * WIDTH).slice();
    const [codes, scales, back] = [
      new Uint8Array(ROWS * WIDTH),
      new Float32Array(2 * ROWS),
      new Float32Array(ROWS * WIDTH),
    ];
    const gbs = (ms: number) => (ROWS * WIDTH * 4) / ms / 1e6;
    for (const type of ['kivi-int8', 'kivi-int4', 'int8', 'int4', 'int3'] as const) {
      const at = inputs.room(ROWS * rowBytes(type, WIDTH, 'values'));
      const places = { keys: at, values: at, rest: 0 }; // values name nothing
      const kivi = type.startsWith('kivi');
      const store = () =>
        kivi
          ? backend.groupRows(places, list, x.address, 0, ROWS, WIDTH, type, 'values')
          : backend.storeRows(at, x, 0, ROWS, WIDTH, type);
      const copy = () => backend.copy(wide.address, x.address, ROWS * WIDTH * 4);
      const [quantize, plain, copied] = await sideBySide([
        store,
        () => plainQuantize(codes, scales, numbers),
        copy,
      ]);
      const what = kivi ? 'as they are' : 'rotated';
      report({
        name: `round to ${type.replace('kivi-', '')}, ${what}`,
        rate: gbs(quantize),
        unit: 'GB/s',
        share: copied / quantize,
        limit: 'copying',
        peers: [{ name: 'plain JS, int8', rate: gbs(plain) }],
      });
      if (!kivi) continue;
      const widen = () =>
        backend.gatherRows(wide.address, places, list, ROWS, WIDTH, type, 'values');
      const [dequantize, plainBack, again] = await sideBySide([
        widen,
        () => plainDequantize(back, codes, scales),
        copy,
      ]);
      report({
        name: `widen ${type.replace('kivi-', '')}`,
        rate: gbs(dequantize),
        unit: 'GB/s',
        share: again / dequantize,
        limit: 'copying',
        peers: [{ name: 'plain JS, int8', rate: gbs(plainBack) }],
      });
    }
  },
};
