// Layers of experts, a token and an expert at a time.
import type { Choice, ExpertMatrix, Experts, Routing } from '../experts.ts';
import { expertRows, LEAST_SUM } from '../experts.ts';
import { dot, gatedBy, sigmoid, softmax } from './math.ts';
import type { Memory } from './memory.ts';

const same = (x: number): number => x;

export function expertOps({ i32, row }: Memory): Experts {
  /** What a token's experts are chosen by, NaN last, and what each of all weighs. */
  function rate(logits: readonly number[], { gate, bias }: Routing): [number[], number[]] {
    const p =
      gate === 'softmax' ? softmax(logits) : logits.map(gate === 'sigmoid' ? sigmoid : same);
    const by = bias ? p.map((v, e) => v + row(bias, 0)[e]) : logits;
    return [by.map((v) => (Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v)), p];
  }

  /** x W^T of expert e, its scale and bias: f64 [m]. */
  function product({ weight, scale, bias }: ExpertMatrix, m: number, e: number, x: number[]) {
    return Array.from({ length: m }, (_, i) => {
      const sum = dot(x, row(weight, e * expertRows(m) + i));
      return sum * (scale ? row(scale, 0)[e] : 1) + (bias ? row(bias, e, m)[i] : 0);
    });
  }

  return {
    route(choice, logits, T, how) {
      for (let t = 0; t < T; t++) {
        const [by, p] = rate([...row(logits, t)], how);
        const order = by.map((_, e) => e).sort((a, b) => (by[a] === by[b] ? a - b : by[b] - by[a]));
        const ids = order.slice(0, how.used);
        const own = ids.map((e) => p[e]);
        const raw = how.gate === 'chosen' ? softmax(own) : own;
        const mass = raw.reduce((a, b) => a + b, 0);
        const sum = how.renormalise ? Math.max(LEAST_SUM, mass) : 1;
        i32(choice.ids + t * how.used * 4, how.used).set(ids);
        row(choice.weights, t).set(raw.map((w) => (w / sum) * (how.scale ?? 1)));
      }
    },

    apply(y, x, T, choice, { gate, up, down, activation }, adds = false) {
      const f = down.weight.columns;
      for (let t = 0; t < T; t++) {
        const out = row(y, t);
        const sums = adds ? [...out] : new Array<number>(y.columns).fill(0);
        const numbers = [...row(x, t)];
        for (const [e, weight] of chosenBy(choice, t)) {
          const ups = product(up, gate ? f : 2 * f, e, numbers);
          const gates = gate ? product(gate, f, e, numbers) : ups.splice(0, f);
          const inner = gates.map((g, i) => gatedBy[activation](g, ups[i]));
          product(down, y.columns, e, inner).forEach((v, i) => void (sums[i] += weight * v));
        }
        out.set(sums);
      }
    },
  };

  /** A token's experts in the order of their numbers, and what they weigh. */
  function chosenBy({ ids, weights }: Choice, t: number): [expert: number, weight: number][] {
    const used = weights.columns;
    const own = [...i32(ids + t * used * 4, used)];
    return own.map((e, i): [number, number] => [e, row(weights, t)[i]]).sort(([a], [b]) => a - b);
  }
}
