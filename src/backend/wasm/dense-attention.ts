// Attention of a batch, a query head of a sequence at a time. Heads are what the way back is cut by:
// there are enough of them for threads, and products are made once, where queries' and keys'
// gradients made apart would make two of five twice. Each query head adds up its share of its kv
// head's gradients apart, so that sums are the same whoever does the work.
import { DENSE_TILE } from '../../../build/generated/kernels.ts';
import type { ScratchShape } from '../limits.ts';
import type { Address, Tensor } from '../tensor.ts';
import type { DenseAttention, Sequence, Training } from '../training.ts';
import { type Call, call, SCRATCH } from './call.ts';
import type { Context } from './context.ts';
import type { Kernels } from './core.ts';
import type { ScratchSize } from './schedule.ts';

/** Numbers of a row of a query head's share. */
const padded = (d: number) => Math.ceil(d / 8) * 8;

/** Scratch for both ways. */
export function denseScratch(
  kernels: Kernels,
  { tokens, queryHeads, headDim: d }: ScratchShape,
): ScratchSize {
  const [there, back] = [
    kernels.dense_attention_scratch(d),
    kernels.dense_attention_backward_scratch(d),
  ];
  return { common: 2 * queryHeads * tokens * padded(d) * 4, own: Math.max(there, back) };
}

export function denseAttentionOps(
  context: Context,
): Pick<Training, 'denseAttention' | 'denseAttentionGradient'> {
  const { numbers, share, scratch, memory } = context;

  /** Calls `each` with every sequence and query head, and where its kv head begins in a row. */
  function eachHead(
    { queryHeads, kvHeads, headDim: d, sequences, window }: DenseAttention,
    each: (s: Sequence & { readonly window: number }, hq: number, ofKeys: number) => void,
  ): void {
    for (const { from, count } of sequences)
      for (let hq = 0; hq < queryHeads; hq++) {
        const h = Math.floor(hq / (queryHeads / kvHeads));
        each({ from, count, window: Math.min(count, window ?? count) }, hq, h * d * 4);
      }
  }

  /** Where row t of a tensor is. */
  const at = ({ address, columns }: Tensor, t: number): Address => address + t * columns * 4;

  function fillGaps(x: Tensor, sequences: readonly Sequence[]): void {
    let end = 0;
    for (const { from, count } of [...sequences].sort((a, b) => a.from - b.from)) {
      if (from > end) new Float32Array(memory.buffer, at(x, end), (from - end) * x.columns).fill(0);
      end = from + count;
    }
  }

  return {
    denseAttention(out, sums, { q, k, v }, how) {
      const { headDim: d } = how;
      const calls: Call[] = [];
      let work = 0;
      eachHead(how, ({ from, count, window }, hq, ofKeys) => {
        for (let first = 0; first < count; first += DENSE_TILE) {
          const t = from + first;
          const n = Math.min(DENSE_TILE, count - first);
          const [to, query] = [out, q].map((x) => at(x, t) + hq * d * 4);
          const [keys, values] = [k, v].map((x) => at(x, from) + ofKeys);
          const sum = at(sums, t) + hq * 4;
          calls.push(
            call(
              numbers.dense_attention,
              to,
              sum,
              query,
              keys,
              values,
              SCRATCH,
              first,
              n,
              d,
              q.columns,
              sums.columns,
              k.columns,
              window,
            ),
          );
          work += 2 * n * Math.min(window, first + n) * d;
        }
      });
      share(calls, work);
    },

    denseAttentionGradient(gradients, dout, out, sums, spare, { q, k, v }, how) {
      const { queryHeads, kvHeads, headDim: d, sequences } = how;
      const group = queryHeads / kvHeads;
      const T = Math.max(0, ...sequences.map(({ from, count }) => from + count));
      const rowBytes = padded(d) * 4;
      // f32 [2][Hq][T, padded(d)]: dk, then dv
      const shareOf = (part: number, hq: number, t: number) =>
        scratch.common + ((part * queryHeads + hq) * T + t) * rowBytes;
      const calls: Call[] = [];
      const sumCalls: Call[] = [];
      let work = 0;
      eachHead(how, ({ from, count, window }, hq, ofKeys) => {
        const [dq, back, forth, query] = [gradients.q, dout, out, q].map(
          (x) => at(x, from) + hq * d * 4,
        );
        const [keys, values] = [k, v].map((x) => at(x, from) + ofKeys);
        const [dots, logs] = [spare, sums].map((x) => at(x, from) + hq * 4);
        calls.push(
          call(
            numbers.dense_attention_backward,
            dq,
            shareOf(0, hq, from),
            shareOf(1, hq, from),
            dots,
            back,
            forth,
            logs,
            query,
            keys,
            values,
            SCRATCH,
            count,
            d,
            q.columns,
            sums.columns,
            k.columns,
            window,
          ),
        );
        work += 5 * count * Math.min(window, count / 2) * d;
        if (hq % group !== 0) return;
        for (const [part, dx] of [gradients.k, gradients.v].entries())
          sumCalls.push(
            call(
              numbers.sum_shares,
              at(dx, from) + ofKeys,
              shareOf(part, hq, from),
              count,
              group,
              d,
              dx.columns,
              T * padded(d),
            ),
          );
      });
      share(calls, work);
      share(sumCalls, queryHeads * T * d);
      for (const dx of [gradients.q, gradients.k, gradients.v]) fillGaps(dx, sequences);
    },
  };
}
