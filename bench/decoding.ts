// Attention of one token over many cached rows of every type, as replies ask for it: few-bit rows
// are chosen for memory, and must not cost speed.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { type RowType, rowBytes } from '../src/backend/dtype.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import type { BenchGroup } from './case.ts';
import { bestOf } from './limit.ts';

const ROWS = 8192;
/** Head dimensions, and query heads of a kv head. */
const shapes = [
  [64, 3],
  [128, 4],
] as const;
const types = ['f16', 'int8', 'int4', 'int3', 'kivi-int8', 'kivi-int4'] as const;

/** Milliseconds of attention of T tokens over rows of types, called in turn, one thread: the least of many. */
export function attentionMs(
  types: readonly RowType[],
  [d, group, T, rows]: readonly [number, number, number, number],
): number[] {
  const backend = createWasmBackend({ threads: 1 });
  backend.reserveScratch({ tokens: T, queryHeads: group, kvHeads: 1, headDim: d, width: 2048 });
  const inputs = new Inputs(backend, 1);
  const works = types.map((type) => {
    const cached = inputs.cached([rows], d, type).rows;
    const [q, out] = [inputs.tensor(T, group * d), inputs.empty(T, group * d)];
    return () => backend.attention(out, q, cached, T);
  });
  const ms = bestOf(works, 30);
  backend.dispose();
  return ms;
}

/** Rows of a head, and heads whose rows are more than a processor keeps: those of all layers. */
const [OF_A_HEAD, HEADS] = [280, 512];

/** Milliseconds of a head's attention where its rows were read before, and where they were not. */
function coldMs(type: RowType, d: number, group: number): readonly [number, number] {
  const backend = createWasmBackend({ threads: 1 });
  backend.reserveScratch({ tokens: 1, queryHeads: group, kvHeads: 1, headDim: d, width: 2048 });
  const inputs = new Inputs(backend, 1);
  const [q, out] = [inputs.tensor(1, group * d), inputs.empty(1, group * d)];
  const heads = Array.from({ length: HEADS }, () => inputs.cached([OF_A_HEAD], d, type).rows);
  const attend = (rows: (typeof heads)[number]) => backend.attention(out, q, rows, 1);
  const again = () => heads.forEach(() => attend(heads[0]));
  const [warm, cold] = bestOf([again, () => heads.forEach(attend)], 10);
  backend.dispose();
  return [warm / HEADS, cold / HEADS];
}

export const decoding: BenchGroup = {
  name: 'decoding',
  summary: `attention of one token over ${ROWS} cached rows, one thread; GB/s of rows`,
  run(report) {
    for (const [d, group] of shapes)
      for (const type of ['f16', 'int8'] as const) {
        const [warm, cold] = coldMs(type, d, group);
        const bytes = OF_A_HEAD * (rowBytes(type, d, 'keys') + rowBytes(type, d, 'values'));
        report({
          name: `${type}, ${group} query heads of ${d}, ${HEADS} times ${OF_A_HEAD} rows`,
          rate: bytes / cold / 1e6,
          unit: 'GB/s',
          share: warm / cold,
          limit: 'rows read before',
        });
      }
    for (const [d, group] of shapes) {
      const ms = attentionMs(types, [d, group, 1, ROWS]);
      types.forEach((type, i) => {
        const bytes = ROWS * (rowBytes(type, d, 'keys') + rowBytes(type, d, 'values'));
        report({
          name: `${type}, ${group} query heads of ${d}`,
          rate: bytes / ms[i] / 1e6,
          unit: 'GB/s',
          share: ms[0] / ms[i],
          limit: 'f16 rows',
        });
      });
    }
    return Promise.resolve();
  },
};
