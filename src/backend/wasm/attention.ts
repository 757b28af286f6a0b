// Attention of a block, or of one token, head by head.
import type { Backend } from '../backend.ts';
import { cpuRows } from '../cpu/memory.ts';
import { rowCode } from '../dtype.ts';
import type { Address, Tensor } from '../tensor.ts';
import { type Call, call, SCRATCH } from './call.ts';
import type { Context } from './context.ts';

/**
 * Queries that attention takes at a time: enough that unpacking a tile of keys for them costs
 * little, few enough that their state is small.
 */
export const QUERY_ROWS = 32;

export function attentionOps({
  numbers,
  share,
  memory,
  scratch,
}: Context): Pick<Backend, 'attention'> {
  return {
    attention(out, q, rows, T, { looks, window, cap = 0, sinks } = {}) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      const group = q.columns / d / heads.length;
      const code = rowCode(type);
      const calls: Call[] = [];
      let work = 0;
      heads.forEach(({ keys, values, rest, tokens, length }, h) => {
        const firsts = window ? scratch.common + h * T * 4 : 0;
        const ints = (at: Address, count: number) => new Int32Array(memory.buffer, at, count);
        if (window) firstRows(ints(firsts, T), ints(tokens, length), window);
        // a head without rows before leaves nothing: it gets no scores either
        const seen = looks ? length - looks.unseen : 0;
        const left = looks && seen > 0 ? looks.address + h * 2 * T * group * 4 : 0;
        for (let t = 0; t < T; t += QUERY_ROWS) {
          const count = Math.min(QUERY_ROWS, T - t);
          const n = length - T + t + count;
          const offset = h * group * d * 4;
          const [to, from] = [
            out.address + offset + t * out.columns * 4,
            q.address + offset + t * q.columns * 4,
          ];
          const look = left === 0 ? 0 : left + t * group * 4;
          calls.push(
            call(
              numbers.attention,
              to,
              from,
              keys,
              values,
              rest,
              SCRATCH,
              count,
              group,
              n,
              d,
              out.columns,
              q.columns,
              code,
              look,
              seen,
              T * group,
              firsts === 0 ? 0 : firsts + t * 4,
              cap,
              sinksOf(sinks, h, group),
            ),
          );
          work += 2 * count * group * n * d;
        }
      });
      share(calls, work);
    },
  };
}

/** Where the sinks of a kv head's queries lie; 0 where there are none. */
export const sinksOf = (sinks: Tensor | undefined, h: number, group: number): Address =>
  sinks ? sinks.address + h * group * 4 : 0;

/** For each of the last rows the first one that its token sees: tokens ascend. */
function firstRows(firsts: Int32Array, tokens: Int32Array, window: number): void {
  let row = 0;
  for (let t = 0; t < firsts.length; t++) {
    const own = tokens[tokens.length - firsts.length + t];
    while (tokens[row] <= own - window) row++;
    firsts[t] = row;
  }
}
