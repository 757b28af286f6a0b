// Sizes of the cases that are worth timing, named, and what is done there: the shapes of a model of
// 135M parameters (576 wide, 3 kv heads of 3 query heads of 64) with blocks of 256 tokens and 2048
// rows. Every operation is in one of them (test/backend/large.test.ts), and the benches time them
// all.
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import { Bench } from './bench.ts';
import { conformanceCases } from './conformance.ts';
import { CpuBench } from './cpu-bench.ts';
import { kernelCases } from './kernels.ts';

export interface LargeCase {
  readonly op: string;
  readonly size: readonly number[];
  /** What the size is. */
  readonly named: string;
  /** Multiplications and additions, or bytes read and written: all that there must be. */
  readonly flops?: number;
  readonly bytes?: number;
}

const [T, d, G, n] = [256, 64, 3, 2048];
const rows = [n, n, n];
const heads = rows.length;
const all = heads * n;
const hidden = heads * G * d;
const looks = 2 * 2 * 64 * heads * G * d * n; // of 64 observers: two passes over the keys
const f16 = 2 * heads * n * d;
const block = `${T} tokens`;
const head = `${heads} heads of ${n} rows of ${d}`;

const scoreOps = [
  'rateTokens',
  'negate and multiply',
  'meanOverHeads',
  'raiseToMean',
  'addToState',
  'keepAsState',
  'fold mean',
  'raiseMost 0.9',
  'protect',
  'select adaptive, 200 rows, safeguard 1',
  'selectListed',
  'faultOf, scoresFinite and allFinite',
];

export const largeCases: readonly LargeCase[] = [
  { op: 'linear q8_0', size: [T, 576, 1536], named: block, flops: 2 * T * 576 * 1536 },
  { op: 'linearOne q8_0', size: [1536, 576], named: '1536 x 576', bytes: (1536 * 576 * 34) / 32 },
  { op: 'embed q8_0', size: [T, 4096, 576], named: block, bytes: T * 576 * 4 },
  {
    op: 'weighByValues q8_0',
    size: [d, G, hidden, T],
    named: `${T} rows`,
    flops: 2 * G * d * hidden * (2 * T - 1),
  },
  {
    op: 'attention f16',
    size: [d, G, T, ...rows],
    named: `${block}, ${head}`,
    flops: 2 * 2 * T * hidden * (n - T / 2),
  },
  {
    op: 'attention in a window f16',
    size: [512, d, G, T, ...rows],
    named: `${block}, a window of 512`,
    flops: 2 * 2 * T * hidden * 512,
  },
  { op: 'observe all max f16', size: [d, G, 64, ...rows], named: head, flops: looks },
  { op: 'observeWorst 5 f16', size: [d, G, 64, ...rows], named: head, flops: 1.5 * looks },
  {
    op: 'expectedAttention f16',
    size: [64, G, d, ...rows],
    named: head,
    flops: 2 * all * G * d * (d + 2),
  },
  { op: 'storeRows f16', size: [n, d, heads], named: `${n} rows`, bytes: n * d * 6 },
  { op: 'ropeShift halves f16', size: [n, d, d], named: `${n} rows`, bytes: n * d * 4 },
  {
    op: 'groupRows and gatherRows of keys kivi-int4',
    size: [n, d, 32],
    named: `32 and ${n} rows`,
    bytes: n * d * 4.5,
  },
  { op: 'rowNorms of keys f16', size: [d, ...rows], named: head, bytes: f16 },
  { op: 'keyCosines f16', size: [d, ...rows], named: head, bytes: 2 * f16 },
  { op: 'rmsNorm', size: [T, 576], named: block, bytes: 2 * T * 576 * 8 },
  ...['silu', 'gelu', 'sparse-gelu', 'clamped'].map((activation) => ({
    op: `glu ${activation}`,
    size: [T, 1536],
    named: block,
    bytes: T * 1536 * 12,
  })),
  { op: 'gateBySigmoid', size: [T, 1536], named: block, bytes: T * 1536 * 12 },
  { op: 'squaredRelu', size: [T, 1536], named: block, bytes: T * 1536 * 8 },
  { op: 'softCap', size: [T, 1536], named: block, bytes: T * 1536 * 8 },
  { op: 'predictStreams', size: [T, 576, 4], named: block, bytes: T * 576 * 4 * 8 },
  { op: 'correctStreams', size: [T, 576, 4], named: block, bytes: T * 576 * 4 * 12 },
  { op: 'matchNorms', size: [T, 576], named: block, bytes: T * 576 * 16 },
  { op: 'multiplyColumns', size: [T, 576], named: block, bytes: T * 576 * 8 * 4 },
  {
    op: 'gated silu q8_0',
    size: [T, 1536, 576],
    named: block,
    flops: 2 * 2 * T * 576 * 1536,
  },
  { op: 'scale', size: [T, 576], named: block, bytes: T * 576 * 8 },
  { op: 'add', size: [T, 576], named: block, bytes: T * 576 * 12 },
  { op: 'rope halves', size: [T, heads * G, d, d], named: block, bytes: T * hidden * 8 },
  { op: 'averagePool', size: [5, ...rows], named: `${all} scores`, bytes: all * 8 },
  { op: 'topK', size: [all, n], named: `${n} of ${all}`, bytes: all * 4 },
  { op: 'compactRows', size: [n, n / 2, 2 * d], named: `${n / 2} of ${n}`, bytes: n * 2 * d },
  { op: 'kmeans', size: [n, 16, 384], named: `${n} x 384, 16 of them`, flops: 2 * n * 16 * 384 },
  ...scoreOps.map((op) => ({ op, size: rows, named: `${all} scores`, bytes: all * 4 })),
];

/**
 * What is no operation: memory, what is read of it, and what is asked or only named (join); and valueNorms, which
 * weighByValues calls.
 */
const memory = new Set(
  (
    'write readFloats readInts copy bytes floats ints cacheBytes createCache kmeans weightBytes ' +
    'packRows rowsAt inEightBits scratchBytes reserveScratch dispose readScores readSelection supportsRows join valueNorms'
  ).split(' '),
);

/** Names of a backend's operations. */
export const operationsOf = (backend: CpuBackend): string[] =>
  Object.entries(backend).flatMap(([name, it]) =>
    typeof it === 'function' && !memory.has(name) ? [name] : [],
  );

/** The operations that a case calls, with what they are given, to be called again. */
export interface Recorded {
  readonly names: readonly string[];
  again(): void;
}

/** Runs a case on a backend once, and gives the operations that it called. */
export async function record({ op, size }: LargeCase, backend: CpuBackend): Promise<Recorded> {
  const found = conformanceCases.find((c) => c.op === op);
  const kernel = kernelCases.find((c) => c.op === op);
  if (!found && !kernel)
    throw new Error(`test/cases/large.ts has a size of '${op}', which is no case`);
  const operations = new Set(operationsOf(backend));
  const calls: { name: string; call: () => unknown }[] = [];
  const watched = new Proxy(backend, {
    get(target, name: string) {
      const it = target[name as keyof CpuBackend];
      if (!operations.has(name)) return it;
      const operation = it as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        calls.push({ name, call: () => operation(...args) });
        return operation(...args);
      };
    },
  });
  if (found) await found.run(new Bench(backend, 1, watched), size);
  else kernel?.run(new CpuBench(watched, 1), size);
  return {
    names: calls.map(({ name }) => name),
    again() {
      for (const { call } of calls) call();
    },
  };
}
