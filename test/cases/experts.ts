// Cases of layers of experts: who is chosen, and what they make of tokens.
import { type WeightType, weightRowBytes, weightTypes } from '../../src/backend/dtype.ts';
import type {
  Choice,
  ExpertLayer,
  ExpertMatrix,
  Experts,
  Routing,
} from '../../src/backend/experts.ts';
import { expertRows } from '../../src/backend/experts.ts';
import type { Bench } from './bench.ts';
import type { OpCase } from './case.ts';
import { weightFile } from './weight-file.ts';

function expertsOf({ backend }: Bench): Experts {
  if (!backend.experts) throw new Error(`backend ${backend.name} has no experts`);
  return backend.experts;
}

const typeOf = (name: string): WeightType => weightTypes.find((type) => type.name === name)!;

const emptyChoice = (b: Bench, T: number, used: number): Choice => ({
  ids: b.integers(new Array<number>(T * used).fill(-1)),
  weights: b.empty(T, used),
});

/** Few different logits, and biases, so that many are alike: their sums are exact. */
const stepped = (b: Bench, count: number) =>
  Float32Array.from({ length: count }, () => (b.whole(9) - 4) / 4);

const routings: Readonly<Record<string, Omit<Routing, 'used'>>> = {
  softmax: { gate: 'softmax', renormalise: true },
  'softmax as it is': { gate: 'softmax', scale: 2.5 },
  sigmoid: { gate: 'sigmoid', scale: 0.75 },
  'sigmoid renormalised': { gate: 'sigmoid', renormalise: true },
  chosen: { gate: 'chosen' },
};

const routeCases = Object.entries(routings).flatMap(([name, how]) =>
  [false, true].map((biased): OpCase => ({
    op: `route ${name}${biased ? ', biased' : ''}`,
    needs: 'experts',
    // T, experts, and how many of them
    sizes: [
      [0, 4, 1],
      [1, 1, 1],
      [3, 7, 2],
      [5, 64, 8],
      [2, 33, 33],
    ],
    tolerance: 1e-6,
    async run(b, [T, E, used]) {
      const choice = emptyChoice(b, T, used);
      const routing = { ...how, used, ...(biased && { bias: b.vector(E, stepped(b, E)) }) };
      expertsOf(b).route(choice, b.tensor(T, E, stepped(b, T * E)), T, routing);
      // weights so small that their sum is none, too
      const least = emptyChoice(b, T, used);
      const far = b.numbers(T * E).map((x) => 4 * x - (how.gate === 'sigmoid' ? 60 : 0));
      expertsOf(b).route(least, b.tensor(T, E, far), T, { ...how, used });
      const found = [choice, least].flatMap(({ ids, weights }) => [
        b.backend.readInts(ids, T * used),
        b.backend.readFloats(weights.address, T * used),
      ]);
      return (await Promise.all(found)).flatMap((numbers) => [...numbers]);
    },
  })),
);

/** NaN is chosen behind all numbers but -infinity, which it counts as. */
const pastNan = (['sigmoid', 'chosen'] as const).map((gate): OpCase => ({
  op: `route ${gate}, past NaN`,
  needs: 'experts',
  sizes: [
    [2, 6, 3],
    [1, 70, 67],
  ],
  tolerance: 1e-6,
  async run(b, [T, E, used]) {
    const choice = emptyChoice(b, T, used);
    const logits = b.numbers(T * E);
    for (let t = 0; t < T; t++) {
      logits[t * E] = logits[t * E + 3] = Number.NaN;
      logits[t * E + 4] = Number.NEGATIVE_INFINITY;
    }
    expertsOf(b).route(choice, b.tensor(T, E, logits), T, { gate, used });
    const weights = await b.floats(choice.weights, T);
    return [...(await b.backend.readInts(choice.ids, T * used)), ...weights];
  },
}));

/** What of a layer differs from case to case. */
interface Kind {
  readonly gate?: string;
  readonly up: string;
  readonly down: string;
  readonly activation: ExpertLayer['activation'];
  readonly biased?: boolean;
  readonly scaled?: boolean;
  readonly adds?: boolean;
}

function matrix(
  b: Bench,
  type: string,
  [E, m, k]: readonly number[],
  { biased, scaled }: Kind,
): ExpertMatrix {
  return {
    weight: b.weight(typeOf(type), E * expertRows(m), k),
    ...(scaled && { scale: b.vector(E) }),
    ...(biased && { bias: { ...b.vector(E * m), columns: m } }),
  };
}

/** A layer of E experts, of D columns and an inner width f. */
export function drawnLayer(b: Bench, kind: Kind, [E, D, f]: readonly number[]): ExpertLayer {
  const { gate, up, down, activation } = kind;
  return {
    ...(gate !== undefined && { gate: matrix(b, gate, [E, f, D], kind) }),
    up: matrix(b, up, [E, gate === undefined ? 2 * f : f, D], kind),
    down: matrix(b, down, [E, D, f], kind),
    activation,
  };
}

/** Each token's experts, drawn; all tokens' first one is the same, and so may others be. */
export function drawnChoice(b: Bench, T: number, E: number, used: number): Choice {
  const ids = Array.from({ length: T }, () => {
    const left = Array.from({ length: E }, (_, e) => e);
    const own = left.splice(E >> 1, 1);
    while (own.length < used) own.push(...left.splice(b.whole(left.length), 1));
    return own;
  });
  return { ids: b.integers(ids.flat()), weights: b.tensor(T, used) };
}

// T, experts, how many of them, D, f
const blocks = [
  [0, 3, 1, 32, 32],
  [1, 1, 1, 32, 64],
  [1, 9, 4, 64, 32],
  [7, 6, 2, 96, 64],
  [8, 12, 4, 32, 96],
];
// more than some pairs an expert
const many = [[66, 2, 2, 64, 96]];
const odd = [
  [1, 4, 2, 5, 7],
  [6, 5, 3, 7, 6],
  [8, 3, 3, 24, 20],
  [70, 3, 2, 9, 70],
];
const large = [
  [1, 3, 2, 256, 256],
  [5, 3, 2, 256, 256],
];

const kinds: readonly (readonly [Kind, sizes: readonly (readonly number[])[], number])[] = [
  [{ gate: 'f32', up: 'f32', down: 'f32', activation: 'silu' }, [...blocks, ...odd], 1e-5],
  [
    { gate: 'f32', up: 'f32', down: 'f32', activation: 'clamped', biased: true, scaled: true },
    odd,
    1e-5,
  ],
  [{ up: 'f16', down: 'f32', activation: 'gelu', scaled: true, adds: true }, odd, 1e-5],
  [
    { up: 'q8_0', down: 'q8_0', activation: 'gelu', biased: true, adds: true },
    [...blocks, ...many],
    1e-3,
  ],
  [{ gate: 'f32', up: 'q4_0', down: 'q8_0', activation: 'silu' }, blocks, 1e-3],
  [{ gate: 'q4_k', up: 'q4_k', down: 'q6_k', activation: 'silu' }, large, 4e-3],
];

const nameOf = ({ gate, up, down, activation, ...how }: Kind) =>
  `experts ${[gate, up, down].filter(Boolean).join(' ')} ${activation} ${Object.keys(how).join(' ')}`;

const applyCases = kinds.map(([kind, sizes, tolerance]): OpCase => ({
  op: nameOf(kind).trim(),
  needs: 'experts',
  sizes,
  tolerance,
  async run(b, [T, E, used, D, f]) {
    const layer = drawnLayer(b, kind, [E, D, f]);
    const [x, y] = [b.tensor(T, D), b.tensor(T, D)];
    expertsOf(b).apply(y, x, T, drawnChoice(b, T, E, used), layer, kind.adds);
    return b.floats(y, T);
  },
}));

/** Rows of experts that are stored one expert at a time, whatever lies between them. */
const storing: OpCase = {
  op: 'packRows of experts',
  sizes: [
    [1, 3, 4],
    [3, 5, 7],
    [2, 8, 5],
    [3, 2, 3],
  ],
  tolerance: 0,
  async run(b, [E, m, k]) {
    const type = typeOf('f32');
    const rows = E * expertRows(m);
    const weight = b.weight(type, rows, k);
    const [expert, bytes] = [expertRows(m), weightRowBytes(type, k)];
    const file = weightFile(b, type, E * m, k);
    for (let e = 0; e < E; e++)
      b.backend.packRows(weight, e * expert, m, file.slice(e * m * bytes, (e + 1) * m * bytes));
    const ids = Array.from({ length: E * m }, (_, i) => Math.floor(i / m) * expert + (i % m));
    const y = b.empty(E * m, k);
    b.backend.embed(y, weight, b.integers(ids), E * m);
    return b.floats(y, E * m);
  },
};

export const expertCases: readonly OpCase[] = [...routeCases, ...pastNan, ...applyCases, storing];
