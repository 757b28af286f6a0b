// Attention of a batch, a query head of a sequence at a time. Heads are what the way back is cut
// by: there are enough of them for threads, and products are made once, where queries' and keys'
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

type DenseAttentionOps = Pick<Training, 'denseAttention' | 'denseAttentionGradient'>;

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

/** Where row t of a tensor is, or number `column` of it. */
const at = ({ address, columns }: Tensor, t: number, column = 0): Address =>
  address + (t * columns + column) * 4;

/**
 * Calls `each` with every sequence and query head, and the kv head that it belongs to; a sequence
 * with how many tokens one of its tokens sees.
 */
function eachHead(
  { queryHeads, kvHeads, sequences, window }: DenseAttention,
  each: (sequence: Sequence & { readonly window: number }, hq: number, h: number) => void,
): void {
  for (const { from, count } of sequences)
    for (let hq = 0; hq < queryHeads; hq++)
      each(
        { from, count, window: Math.min(count, window ?? count) },
        hq,
        Math.floor(hq / (queryHeads / kvHeads)),
      );
}

export function denseAttentionOps(context: Context): DenseAttentionOps {
  const { memory } = context;
  return {
    denseAttention: (...given) => attend(context, ...given),
    denseAttentionGradient(gradients, ...given) {
      attendBack(context, gradients, ...given);
      const { sequences } = given[given.length - 1] as DenseAttention;
      for (const { address, columns } of [gradients.q, gradients.k, gradients.v])
        for (const [from, end] of gapsOf(sequences))
          new Float32Array(memory.buffer, address, end * columns).fill(0, from * columns);
    },
  };
}

/** Tokens between sequences. */
function gapsOf(sequences: readonly Sequence[]): (readonly [from: number, end: number])[] {
  const ordered = [...sequences].sort((a, b) => a.from - b.from);
  return ordered.map(({ from }, i) => {
    const before = ordered[i - 1];
    return [before ? before.from + before.count : 0, from];
  });
}

function attend(
  { numbers, share }: Context,
  ...[out, sums, { q, k, v }, how]: Parameters<Training['denseAttention']>
): void {
  const { headDim: d } = how;
  const calls: Call[] = [];
  let work = 0;
  eachHead(how, ({ from, count, window }, hq, h) => {
    const [keys, values] = [at(k, from, h * d), at(v, from, h * d)];
    for (let first = 0; first < count; first += DENSE_TILE) {
      const n = Math.min(DENSE_TILE, count - first);
      const [to, queries] = [out, q].map((x) => at(x, from + first, hq * d));
      const logs = at(sums, from + first, hq);
      const strides = [q.columns, sums.columns, k.columns] as const;
      const { dense_attention: kernel } = numbers;
      const shape = [first, n, d, ...strides, window] as const;
      calls.push(call(kernel, to, logs, queries, keys, values, SCRATCH, ...shape));
      work += 2 * n * Math.min(window, first + n) * d;
    }
  });
  share(calls, work);
}

function attendBack(
  { numbers, share, scratch }: Context,
  ...[gradients, dout, out, sums, spare, of, how]: Parameters<Training['denseAttentionGradient']>
): void {
  const { queryHeads, kvHeads, headDim: d, sequences } = how;
  const { q, k, v } = of;
  const group = queryHeads / kvHeads;
  const T = sequences.reduce((end, { from, count }) => Math.max(end, from + count), 0);
  const shareNumbers = T * padded(d);
  // f32 [2][Hq][T, padded(d)]: dk, then dv
  const shareOf = (part: number, hq: number, t: number): Address =>
    scratch.common + ((part * queryHeads + hq) * shareNumbers + t * padded(d)) * 4;
  const calls: Call[] = [];
  const sumCalls: Call[] = [];
  let work = 0;
  eachHead(how, ({ from, count, window }, hq, h) => {
    const { dense_attention_backward: kernel, sum_shares } = numbers;
    const [dq, back, forth, queries] = [gradients.q, dout, out, q].map((x) => at(x, from, hq * d));
    const [dots, logs] = [at(spare, from, hq), at(sums, from, hq)];
    const [keys, values] = [at(k, from, h * d), at(v, from, h * d)];
    const to = [dq, shareOf(0, hq, from), shareOf(1, hq, from), dots] as const;
    const inputs = [back, forth, logs, queries, keys, values] as const;
    const strides = [q.columns, sums.columns, k.columns] as const;
    calls.push(call(kernel, ...to, ...inputs, SCRATCH, count, d, ...strides, window));
    work += 5 * count * Math.min(window, count / 2) * d;
    if (hq % group !== 0) return;
    for (const [part, dx] of [gradients.k, gradients.v].entries()) {
      const shape = [count, group, d, dx.columns, shareNumbers] as const;
      sumCalls.push(call(sum_shares, at(dx, from, h * d), shareOf(part, hq, from), ...shape));
    }
  });
  share(calls, work);
  share(sumCalls, queryHeads * T * d);
}
