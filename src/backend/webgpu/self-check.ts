// Whether a device is to be trusted with a model, and worth it: a norm, products and attention
// against plain loops, then the time of a product of many rows and of one row beside that of
// another backend. It takes some tenths of a second.
import { createRandom } from '../../math/rng.ts';
import type { Backend } from '../backend.ts';
import { dequantize } from '../dequantize.ts';
import { weightTypes } from '../dtype.ts';
import { quantize } from '../quantize.ts';
import type { Address, Tensor, Weight } from '../tensor.ts';

/** Whether the device is taken, and why. */
export interface Verdict {
  readonly isGood: boolean;
  readonly reason: string;
}

/** What results may be off by, of the largest: products round what they read to 16 bits. */
const TOLERANCE = 2e-3;

/** The product that is timed: as of a model of half a billion parameters. */
const ROWS = 128;
const WIDTH = 1024;
/** Of products of one row so many stand behind each other, as in a pass. */
const CHAIN = 16;
/** Times that something is measured, where that takes no longer; the best counts. */
const TIMES = 3;
const ENOUGH_MS = 100;

const q8 = weightTypes.find(({ name }) => name === 'q8_0')!;

/** Checks numbers first: a device that computes nonsense is not timed. */
export async function selfCheck(backend: Backend, other: Backend, name: string): Promise<Verdict> {
  for (const [what, check] of Object.entries(checks)) {
    const off = await inRoom(backend, check);
    // (NaN is not below either)
    if (!(off < TOLERANCE))
      return {
        isGood: false,
        reason: `WebGPU is left: ${what} on its device (${name}) is off by ${off.toPrecision(2)}`,
      };
  }
  const [own, others] = [await inRoom(backend, timesOf), await inRoom(other, timesOf)];
  const [many, one] = [others.many / own.many, others.one / own.one];
  const told =
    `products of ${ROWS} rows ${many.toFixed(1)} times, of one row ${one.toFixed(1)} times as ` +
    `fast as ${other.name}'s`;
  return many >= 1 && one >= 1
    ? { isGood: true, reason: `the fastest here (${name}): ${told}` }
    : { isGood: false, reason: `WebGPU is left: on its device (${name}) ${told}` };
}

/** Memory for the numbers of a check. */
class Room {
  readonly backend: Backend;
  readonly #regions: Address[] = [];
  readonly #random = createRandom(1);

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Numbers from -1 to 1. */
  numbers(count: number): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => 2 * this.#random() - 1);
  }

  /** What operations read and write. */
  tensor(columns: number, numbers: Float32Array | number): Tensor {
    const count = typeof numbers === 'number' ? numbers * columns : numbers.length;
    const address = this.backend.arena.allocate(count * 4);
    this.#regions.push(address);
    if (typeof numbers !== 'number') this.backend.write(address, numbers);
    return { address, columns };
  }

  /** What operations only read. */
  fixed(bytes: number): Address {
    const { arena } = this.backend;
    const address = arena.plan(bytes);
    this.#regions.push(address);
    arena.touch(address + bytes);
    return address;
  }

  /** A weight, and the file's bytes of it. */
  weight(rows: number, columns: number): [Weight, Uint8Array] {
    const bytes = quantize('q8_0', this.numbers(rows * columns));
    const address = this.fixed(this.backend.weightBytes(q8, rows, columns));
    const weight = { address, type: q8, rows, columns };
    this.backend.packRows(weight, 0, rows, bytes);
    return [weight, bytes];
  }

  free(): void {
    for (const address of this.#regions) this.backend.arena.free(address);
  }
}

async function inRoom<T>(backend: Backend, work: (room: Room) => Promise<T>): Promise<T> {
  const room = new Room(backend);
  const release = backend.reserveScratch({
    tokens: ROWS,
    queryHeads: 4,
    kvHeads: 2,
    headDim: 32,
    width: WIDTH,
  });
  try {
    return await work(room);
  } finally {
    release();
    room.free();
  }
}

/** The largest difference, of the largest number that there should be. */
function offBy(found: Float32Array, expected: ArrayLike<number>): number {
  let [off, most] = [0, 0];
  for (let i = 0; i < found.length; i++) {
    const by = Math.abs(found[i] - expected[i]);
    if (Number.isNaN(by)) return by;
    off = Math.max(off, by);
    most = Math.max(most, Math.abs(expected[i]));
  }
  return off / most;
}

const sum = (count: number, of: (i: number) => number) => {
  let all = 0;
  for (let i = 0; i < count; i++) all += of(i);
  return all;
};

/** What each of these is off by. */
const checks: Readonly<Record<string, (room: Room) => Promise<number>>> = {
  async 'a norm'(room) {
    const [n, d, eps] = [5, 100, 1e-6];
    const [x, w] = [room.numbers(n * d), room.numbers(d)];
    const at = room.tensor(d, x);
    const weight = { address: room.fixed(4 * d), columns: d };
    room.backend.write(weight.address, w);
    room.backend.rmsNorm(at, at, weight, n, eps);
    const scale = Array.from(
      { length: n },
      (_, i) => 1 / Math.sqrt(sum(d, (j) => x[i * d + j] ** 2) / d + eps),
    );
    const expected = Array.from(x, (value, i) => value * scale[Math.floor(i / d)] * w[i % d]);
    return offBy(await room.backend.readFloats(at.address, n * d), expected);
  },

  'a product of rows': (room) => productOff(room, 7),
  'a product of one row': (room) => productOff(room, 1),

  async attention(room) {
    const { backend } = room;
    const [T, heads, kvHeads, d] = [6, 4, 2, 32];
    const [q, k, v] = [heads, kvHeads, kvHeads].map((h) => room.numbers(T * h * d));
    const cache = backend.createCache({
      kvHeads,
      headDim: d,
      rowType: 'f32',
      keptRows: [8],
      room: 8,
    });
    try {
      const out = room.tensor(heads * d, T);
      cache.append(0, room.tensor(kvHeads * d, k), room.tensor(kvHeads * d, v), T, 0);
      backend.attention(out, room.tensor(heads * d, q), cache.rows(0), T);
      const expected = plainAttention({ q, k, v }, T, heads, kvHeads, d);
      return offBy(await backend.readFloats(out.address, T * heads * d), expected);
    } finally {
      cache.dispose();
    }
  },
};

async function productOff(room: Room, n: number): Promise<number> {
  const [m, k] = [40, 128];
  const [w, bytes] = room.weight(m, k);
  const numbers = dequantize('q8_0', bytes, m * k);
  const x = room.numbers(n * k);
  const [input, y] = [room.tensor(k, x), room.tensor(m, n)];
  if (n === 1) room.backend.linearOne([[y, w]], input);
  else room.backend.linear([[y, w]], input, n);
  const expected = Array.from({ length: n * m }, (_, at) => {
    const [i, j] = [Math.floor(at / m), at % m];
    return sum(k, (c) => x[i * k + c] * numbers[j * k + c]);
  });
  return offBy(await room.backend.readFloats(y.address, n * m), expected);
}

/** Causal attention of T queries [T, heads, d] over as many keys and values [T, kvHeads, d]. */
function plainAttention(
  { q, k, v }: Record<'q' | 'k' | 'v', Float32Array>,
  T: number,
  heads: number,
  kvHeads: number,
  d: number,
): Float32Array {
  const out = new Float32Array(T * heads * d);
  for (let t = 0; t < T; t++)
    for (let h = 0; h < heads; h++) {
      const [at, kv] = [(t * heads + h) * d, Math.floor((h * kvHeads) / heads)];
      const row = (i: number) => (i * kvHeads + kv) * d;
      const weights = Array.from({ length: t + 1 }, (_, i) =>
        Math.exp(sum(d, (c) => q[at + c] * k[row(i) + c]) / Math.sqrt(d)),
      );
      const all = sum(t + 1, (i) => weights[i]);
      for (let c = 0; c < d; c++)
        out[at + c] = sum(t + 1, (i) => (weights[i] / all) * v[row(i) + c]);
    }
  return out;
}

/** Milliseconds of a product of many rows, and of a chain of products of one row. */
async function timesOf(room: Room): Promise<{ many: number; one: number }> {
  const { backend } = room;
  const [w] = room.weight(WIDTH, WIDTH);
  const [x, y] = [room.tensor(WIDTH, room.numbers(ROWS * WIDTH)), room.tensor(WIDTH, ROWS)];
  const timeOf = async (record: () => void) => {
    const once = async () => {
      const begin = performance.now();
      record();
      await backend.readFloats(y.address, 1);
      return performance.now() - begin;
    };
    // the first time compiles, and starts threads
    let [best, spent] = [await once(), 0];
    for (let i = 0; i < TIMES && spent < ENOUGH_MS && best < ENOUGH_MS; i++) {
      const ms = await once();
      spent += ms;
      best = Math.min(best, ms);
    }
    return best;
  };
  return {
    many: await timeOf(() => backend.linear([[y, w]], x, ROWS)),
    one: await timeOf(() => {
      for (let i = 0; i < CHAIN; i++) backend.linearOne([[y, w]], x);
    }),
  };
}
