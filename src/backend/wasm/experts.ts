// Layers of experts as calls of kernels. Pairs of a token and one of its experts are sorted by
// experts and taken some at a time, as many as there are tokens: the products of an expert are made
// of all its tokens at once, and what lies between takes no more room than that of a dense layer.
import {
  AS_IT_IS,
  BY_CHOSEN,
  BY_SIGMOID,
  BY_SOFTMAX,
  CLAMPED,
  GELU,
  PANEL_ROWS,
  SILU,
} from '../../../build/generated/kernels.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Choice, ExpertLayer, ExpertMatrix, Experts, ExpertShape } from '../experts.ts';
import { expertRows } from '../experts.ts';
import { Regions } from '../regions.ts';
import type { Address, Tensor } from '../tensor.ts';
import { type Call, call, SCRATCH } from './call.ts';
import { type Context, ELEMENT_WORK, shareRows } from './context.ts';
import type { Kernels } from './core.ts';
import { formatOfAll, roundInput } from './products.ts';

const activations = { silu: SILU, gelu: GELU, clamped: CLAMPED };
const gates = { softmax: BY_SOFTMAX, sigmoid: BY_SIGMOID, chosen: BY_CHOSEN };

/** Columns that sums over experts are cut at: a line of a cache. */
const COLUMNS = 16;

/** Pairs of an expert that lie one behind the other, `from` the first of all that are at hand. */
interface Group {
  readonly expert: number;
  readonly from: number;
  readonly count: number;
}

/** A product's place: m columns from `column` on, of rows of `ld`. */
interface Place {
  readonly address: Address;
  readonly m: number;
  readonly ld: number;
}

/** What experts of T tokens work in. */
export function layOutExperts(kernels: Kernels, shape: ExpertShape, T: number) {
  const { experts, used, width, inner } = shape;
  // those of one token, or all tokens of one expert, at least
  const rows = Math.min(Math.max(T, used), T * used);
  const regions = new Regions();
  const floats = (bytes: number) => Math.ceil(bytes / 4);
  regions.add('pairs', 1, T * used);
  regions.add('begins', 1, experts + 1);
  regions.add('rounded', T, floats(kernels.rounded_bytes(width)));
  // inputs that were gathered; then products
  regions.add('outer', rows, Math.max(width, floats(kernels.rounded_bytes(width))));
  regions.add('gates', rows, 2 * inner);
  regions.add('inner', rows, Math.max(inner, floats(kernels.rounded_bytes(inner))));
  return { rows, regions, bytes: regions.bytes };
}

/** What tokens go through. */
interface Pass {
  readonly context: Context;
  readonly layer: ExpertLayer;
  readonly y: Tensor;
  readonly x: Tensor;
  readonly T: number;
  readonly choice: Choice;
  readonly room: (name: string) => Tensor;
  /** How x is rounded, where matrices want it so. */
  readonly format: number;
}

/** Rows that products are made of, `step` bytes from one to the next. */
interface Input {
  readonly address: Address;
  readonly step: number;
}

/** Products of all groups' rows with their experts' matrices, scales and biases. */
function multiply(
  { numbers, share, parts }: Context,
  groups: readonly Group[],
  products: readonly (readonly [ExpertMatrix, Place])[],
  input: Input,
  format: number,
): void {
  const rows = products.reduce((sum, [, { m }]) => sum + m, 0);
  const pairs = groups.reduce((sum, { count }) => sum + count, 0);
  const k = products[0][0].weight.columns;
  const work = pairs * rows * k;
  const multiplied: Call[] = [];
  const added: Call[] = [];
  // (loops: a token asks for some dozen short calls here, and closures took as long as making them)
  for (const [{ weight, scale, bias }, { address, m, ld }] of products) {
    const { number } = weight.type;
    const rowBytes = weightRowBytes(weight.type, k);
    const expertBytes = expertRows(m) * rowBytes;
    for (const { expert, from, count } of groups) {
      const first = weight.address + expert * expertBytes;
      const x = input.address + from * input.step;
      const y = address + from * ld * 4;
      const part = (row: number, n: number): Call => {
        const w = first + row * rowBytes;
        return count === 1
          ? call(numbers.gemv, y + row * 4, x, w, n, k, number, format)
          : call(numbers.gemm, y + row * 4, x, w, SCRATCH, count, n, k, ld, number, format);
      };
      for (const one of parts(m, PANEL_ROWS, work, part, groups.length * rows))
        multiplied.push(one);
      if (!scale && !bias) continue;
      const by = scale ? scale.address + expert * 4 : 0;
      const plus = bias ? bias.address + expert * m * 4 : 0;
      added.push(call(numbers.affine_rows, y, count, m, ld, by, plus));
    }
  }
  share(multiplied, work);
  if (added.length > 0) share(added, pairs * rows * ELEMENT_WORK);
}

/** x of `n` pairs, rounded to a format: gathered, but of one token. */
function inputOf(
  { context, x, T, choice, room }: Pass,
  pairs: Address,
  n: number,
  format: number,
): Input {
  const { columns: used } = choice.weights;
  const from = format === AS_IT_IS ? x.address : room('rounded').address;
  if (T === 1) return { address: from, step: 0 };
  const step = context.kernels.input_bytes(x.columns, format);
  const { address } = room('outer');
  const { gather_rows: kernel } = context.numbers;
  shareRows(context, n, x.columns / ELEMENT_WORK, (i, count) =>
    call(kernel, address + i * step, from, pairs + i * 4, count, used, step),
  );
  return { address, step };
}

/** Adds what experts make of the pairs at an address, group by group. */
function addBatch(pass: Pass, pairs: Address, groups: readonly Group[]): void {
  const { context, layer, y, choice, room } = pass;
  const { numbers, share, parts, kernels, formatOf } = context;
  const { gate, up, down, activation } = layer;
  const n = groups.reduce((sum, { count }) => sum + count, 0);
  const f = down.weight.columns;
  const [between, inner, outer] = ['gates', 'inner', 'outer'].map((name) => room(name).address);
  const place = { address: between, m: f, ld: 2 * f };
  const products: [ExpertMatrix, Place][] = gate
    ? [
        [gate, place],
        [up, { ...place, address: between + f * 4 }],
      ]
    : [[up, { ...place, m: 2 * f }]];
  for (const format of new Set([pass.format, AS_IT_IS])) {
    const rounded = format !== AS_IT_IS;
    const alike = products.filter(([{ weight }]) => weight.type.rounded === rounded);
    if (alike.length > 0) multiply(context, groups, alike, inputOf(pass, pairs, n, format), format);
  }
  const format = formatOf(down.weight.type);
  const step = kernels.input_bytes(f, format);
  shareRows(context, n, f, (i, count) => {
    const [to, from] = [inner + i * step, between + i * f * 8];
    const { activate_rows: kernel } = numbers;
    return call(kernel, to, from, count, f, activations[activation], format);
  });
  const { columns: D } = y;
  const behind = { address: outer, m: D, ld: D };
  multiply(context, groups, [[down, behind]], { address: inner, step }, format);
  const weights = choice.weights.address;
  const sum = (c: number, count: number): Call => {
    const [to, from] = [y.address + c * 4, outer + c * 4];
    return call(numbers.add_chosen, to, from, pairs, weights, n, count, D, choice.weights.columns);
  };
  share(parts(D, COLUMNS, n * D, sum), n * D);
}

/** Sorts pairs, and gives them some at a time: `rows` at most. */
function* batches({ context, T, choice, room }: Pass, experts: number, rows: number) {
  const { kernels, memory } = context;
  const [pairs, begins] = [room('pairs').address, room('begins').address];
  kernels.group_choice(pairs, begins, choice.ids, T * choice.weights.columns, experts);
  const at = new Int32Array(memory.buffer, begins, experts + 1);
  let groups: Group[] = [];
  let first = 0;
  for (let expert = 0; expert < experts; expert++) {
    const count = at[expert + 1] - at[expert];
    if (count === 0) continue;
    if (at[expert + 1] - first > rows) {
      yield { pairs: pairs + first * 4, groups };
      [first, groups] = [at[expert], []];
    }
    groups.push({ expert, from: at[expert] - first, count });
  }
  if (groups.length > 0) yield { pairs: pairs + first * 4, groups };
}

export function expertOps(context: Context): Experts {
  const { kernels, memory, numbers, scratch } = context;

  return {
    route(choice, logits, T, { used, gate, bias, renormalise = false, scale = 1 }) {
      const { columns: E } = logits;
      const last = [E, used, gates[gate], renormalise ? 1 : 0, scale] as const;
      shareRows(context, T, E, (t, count) => {
        const [ids, weights] = [choice.ids, choice.weights.address].map((a) => a + t * used * 4);
        const from = logits.address + t * E * 4;
        return call(numbers.route, ids, weights, from, bias?.address ?? 0, count, ...last);
      });
    },

    apply(y, x, T, choice, layer, adds = false) {
      const { columns: used } = choice.weights;
      const { columns: inner, rows: all } = layer.down.weight;
      const experts = all / expertRows(y.columns);
      const width = Math.max(x.columns, y.columns);
      const { rows, regions } = layOutExperts(kernels, { experts, used, width, inner }, T);
      // (what threads have of their own begins behind it)
      const reserved = scratch.own - scratch.common;
      if (regions.bytes > reserved)
        throw new RangeError(
          `${regions.bytes} bytes of scratch are needed, ${reserved} are reserved`,
        );
      const room = regions.layOut(scratch.common);
      const outer = [layer.gate ?? layer.up, layer.up].map(({ weight }) => weight);
      const format = formatOfAll(context, outer);
      const pass: Pass = { context, layer, y, x, T, choice, room, format };
      if (!adds) new Float32Array(memory.buffer, y.address, T * y.columns).fill(0);
      if (format !== AS_IT_IS) roundInput(context, room('rounded').address, x, T, format);
      for (const { pairs, groups } of batches(pass, experts, rows)) addBatch(pass, pairs, groups);
    },
  };
}
