// Products on a device beside the reference: what is the device's own. Several weights of any types
// in a dispatch, weights of several buffers, more workgroups than a dimension has, and what is
// counted; all types and sizes are the suite's.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Around, Backend, Product } from '../../src/backend/backend.ts';
import { type WeightName, weightRowBytes, weightTypes } from '../../src/backend/dtype.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import type { Address, Tensor } from '../../src/backend/tensor.ts';
import type { OpenDevice } from '../../src/backend/webgpu/device.ts';
import { gridTable } from '../../src/backend/webgpu/grids.ts';
import { createWebgpuBackend, type WebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import { createDrawn, type Drawn } from '../cases/drawn.ts';
import { weightFile } from '../cases/weight-file.ts';
import { openTestDevice } from '../gpu.ts';
import { skip } from '../skip.ts';

const TOLERANCE = 1e-5; // plain sums in f32
const GUARD = 7;
/** Numbers before and behind what is written. */
const MARGIN = 3;

const typeOf = (name: WeightName) => weightTypes.find((type) => type.name === name)!;

/** A matrix of a type, and whether it has a bias. */
type Given = readonly [type: WeightName, m: number, biased?: boolean];

/** 'f32 3 biased, q8_0 5' */
const given = (text: string): Given[] =>
  text.split(', ').map((one) => {
    const [type, m, biased] = one.split(' ');
    return [type as WeightName, Number(m), biased !== undefined];
  });

interface Size {
  readonly n: number;
  readonly k: number;
}

/** What products are made of, drawn from the same numbers for every backend. */
class Room {
  readonly backend: Backend;
  readonly drawn: Drawn = createDrawn(5);
  readonly #outputs: { y: Tensor; n: number }[] = [];
  readonly #taken: Address[] = [];

  constructor(backend: Backend) {
    this.backend = backend;
  }

  #take(address: Address): Address {
    this.#taken.push(address);
    return address;
  }

  allocate(count: number): Address {
    return this.#take(this.backend.arena.allocate(4 * count));
  }

  tensor(n: number, columns: number): Tensor {
    const address = this.allocate(n * columns);
    this.backend.write(address, this.drawn.numbers(n * columns));
    return { address, columns };
  }

  /** With guards before and behind. */
  output(n: number, columns: number): Tensor {
    const { backend, drawn } = this;
    const at = this.allocate(n * columns + 2 * MARGIN);
    const numbers = new Float32Array(n * columns + 2 * MARGIN).fill(GUARD);
    numbers.set(drawn.numbers(n * columns), MARGIN);
    backend.write(at, numbers);
    const y = { address: at + MARGIN * 4, columns };
    this.#outputs.push({ y, n });
    return y;
  }

  vector(columns: number): Tensor {
    const address = this.#take(this.backend.arena.plan(columns * 4));
    this.backend.write(address, this.drawn.numbers(columns));
    return { address, columns };
  }

  /** Packed as it arrives: a few rows at a time. */
  weight(name: WeightName, rows: number, columns: number, atOnce = 12) {
    const { arena } = this.backend;
    const type = typeOf(name);
    const file = weightFile(this.drawn, type, rows, columns);
    const rowBytes = weightRowBytes(type, columns);
    const bytes = this.backend.weightBytes(type, rows, columns);
    const address = this.#take(arena.plan(bytes));
    const weight = { address, type, rows, columns };
    for (let row = 0; row < rows; row += atOnce) {
      const count = Math.min(atOnce, rows - row);
      const bytes = file.subarray(row * rowBytes, (row + count) * rowBytes);
      this.backend.packRows(weight, row, count, bytes);
    }
    return weight;
  }

  products(list: readonly Given[], { n, k }: Size): Product[] {
    return list.map(([type, m, biased]): Product => {
      const y = this.output(n, m);
      return [y, this.weight(type, m, k), biased ? this.vector(m) : undefined];
    });
  }

  normed({ n, k }: Size): Extract<Around, { norm: object }> {
    return { norm: { w: this.vector(k), eps: 1e-5 }, room: this.tensor(n, k) };
  }

  /** The numbers of some outputs; the memory is given back. */
  async read(outputs: readonly Tensor[]): Promise<number[]> {
    const found: Float32Array[] = [];
    for (const { y, n } of this.#outputs) {
      const count = n * y.columns;
      const all = await this.backend.readFloats(y.address - MARGIN * 4, count + 2 * MARGIN);
      const beside = [...all.subarray(0, MARGIN), ...all.subarray(count + MARGIN)];
      assert.equal(beside, new Array(2 * MARGIN).fill(GUARD), 'numbers beside y');
      if (outputs.includes(y)) found.push(all.subarray(MARGIN, count + MARGIN));
    }
    for (const address of this.#taken) this.backend.arena.free(address);
    return found.flatMap((numbers) => [...numbers]);
  }
}

type Run = (room: Room) => Tensor[];

/** Runs the same on both, and gives what the device counted meanwhile. */
async function compare(device: WebgpuBackend, run: Run, tolerance = TOLERANCE) {
  const reference = new Room(createReferenceBackend());
  const wanted = await reference.read(run(reference));
  const room = new Room(device);
  const before = device.usage;
  const outputs = run(room);
  const { byKernel, kernelBytes } = device.usage;
  const found = await room.read(outputs);
  assert.is(found.length, wanted.length);
  const scale = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9);
  found.forEach((x, i) => {
    assert.ok(
      Math.abs(x - wanted[i]) <= tolerance * scale,
      `number ${i}: ${x}, the reference has ${wanted[i]}`,
    );
  });
  const dispatches = Object.entries(byKernel)
    .map(([name, n]) => [name, n - (before.byKernel[name] ?? 0)] as const)
    .filter(([, n]) => n > 0);
  return {
    dispatches: Object.fromEntries(dispatches),
    bytes: kernelBytes - before.kernelBytes,
  };
}

const linear =
  (list: readonly Given[], size: Size, around?: 'normed' | 'added'): Run =>
  (room) => {
    const { n, k } = size;
    const products = room.products(list, size);
    const x = room.tensor(n, k);
    const most = Math.max(...list.map(([, m]) => m));
    const about = {
      normed: () => room.normed(size),
      added: () => ({ adds: true as const, room: room.tensor(n, most) }),
      none: () => undefined,
    }[around ?? 'none']();
    if (n === 1) room.backend.linearOne(products, x, about);
    else room.backend.linear(products, x, n, about);
    return products.map(([y]) => y);
  };

const gated =
  (list: readonly Given[], size: Size, activation: 'silu' | 'gelu'): Run =>
  (room) => {
    const [gate, up] = room.products(list, size);
    const x = room.tensor(size.n, size.k);
    room.backend.gated(gate[0], gate, up, x, size.n, activation, room.normed(size));
    return [gate[0]];
  };

const embed =
  (type: WeightName, rows: number, k: number, ids: readonly number[]): Run =>
  (room) => {
    const table = room.weight(type, rows, k);
    const at = room.allocate(ids.length);
    room.backend.write(at, Int32Array.from(ids));
    const y = room.output(ids.length, k);
    room.backend.embed(y, table, at, ids.length);
    return [y];
  };

const opened = await openTestDevice();
if ('reason' in opened)
  skip('backend/webgpu-products.test.js', 'products on a device', opened.reason);
else testProducts(opened.device, opened.backend);

function testProducts(device: OpenDevice, backend: WebgpuBackend): void {
  const test = suite('webgpu products');
  test.after(() => backend.dispose());

  test('every type stands for the numbers that the file has, with no more bytes', async () => {
    for (const { name, elements } of weightTypes)
      for (const k of elements === 1 ? [1, 7, 64] : [elements, 3 * elements])
        await compare(backend, embed(name, 13, k, [12, 0, 5, 5]), 1e-6);
    for (const type of weightTypes) {
      const [rows, k] = [4099, 768];
      const fileBytes = rows * weightRowBytes(type, k);
      // and the grid that the codes of some are numbers of
      const more = 4 + (gridTable(type.name)?.byteLength ?? 0);
      assert.ok(backend.weightBytes(type, rows, k) <= fileBytes + more, type.name);
    }
    assert.is(backend.weightBytes(typeOf('q4_0'), 0, 32), 0);
  });

  // few pipelines, as each takes a while: one for each list of types
  test('up to three weights of any types are one dispatch for one row', async () => {
    const qkv = given('q4_k 68 biased, q8_0 17, q6_k 5 biased');
    const { dispatches, bytes } = await compare(backend, linear(qkv, { n: 1, k: 512 }, 'normed'));
    assert.equal(dispatches, { 'linear-one': 1 });
    const weights = qkv.reduce((sum, [name, m]) => sum + m * weightRowBytes(typeOf(name), 512), 0);
    assert.is(bytes, weights + 4 * (512 + 68 + 5), 'of weights, the norm and biases');
    const four = given('q4_0 3, q4_1 6, q5_0 5 biased, q5_1 2');
    for (const around of ['normed', 'added'] as const) {
      const { dispatches } = await compare(backend, linear(four, { n: 1, k: 96 }, around));
      assert.equal(dispatches, { 'linear-one': 2 });
    }
    const plain = given('f32 1, bf16 0, bf16 6 biased, f16 9');
    for (const k of [1, 3, 37, 512])
      for (const around of ['normed', undefined] as const)
        await compare(backend, linear(plain, { n: 1, k }, around));
  });

  test('a gate, its partner and the activation are one dispatch for one row', async () => {
    const both = given('q4_k 67 biased, q6_k 67');
    for (const activation of ['silu', 'gelu'] as const) {
      const run = gated(both, { n: 1, k: 512 }, activation);
      const { dispatches } = await compare(backend, run, 1e-4);
      assert.equal(dispatches, { 'gated-one': 1 });
    }
    const few = await compare(backend, gated(both, { n: 3, k: 512 }, 'silu'), 1e-4);
    assert.equal(few.dispatches, { 'gated-one': 3 });
    const { dispatches } = await compare(backend, gated(both, { n: 9, k: 512 }, 'silu'), 1e-4);
    assert.equal(dispatches, { 'rms-norm': 1, linear: 2, glu: 1 });
  });

  test('many rows, around the tile', async () => {
    for (const [n, m, k] of [
      [9, 1, 1],
      [64, 64, 8],
      [63, 65, 13],
      [65, 67, 37],
      [130, 5, 9],
    ])
      await compare(backend, linear(given(`f32 ${m} biased`), { n, k }));
    await compare(backend, linear(given('q6_k 66'), { n: 11, k: 768 }, 'added'));
    await compare(backend, linear(given('f32 5, f32 6 biased'), { n: 10, k: 20 }, 'normed'));
    const { dispatches } = await compare(backend, linear(given('f32 4'), { n: 0, k: 8 }));
    assert.equal(dispatches, {});
  });

  test('more rows than a dimension of workgroups has', async () => {
    await compare(backend, linear(given(`f32 ${4 * 65_535 + 9}, bf16 1, f16 1`), { n: 1, k: 1 }));
  });

  test('a weight that is larger than a binding is several buffers', async () => {
    // and workgroups as on hardware
    const small: OpenDevice = Object.create(device, {
      bindingBytes: { value: 1 << 16 },
      isSoftware: { value: false },
    });
    const split = await createWebgpuBackend(small);
    const atFirst = split.arena.usedBytes;
    const [rows, k] = [357, 768];
    for (const name of ['f32', 'q4_0', 'q6_k'] as const)
      await compare(split, embed(name, rows, k, [356, 0, 150, 41, 40]), 1e-6);
    // 40 rows a buffer, three of them a dispatch
    const weights = given(`f16 ${rows} biased, f16 ${rows}`);
    const alone = weights.slice(0, 1);
    const { dispatches: one } = await compare(split, linear(alone, { n: 1, k }, 'added'));
    assert.equal(one, { 'linear-one': 3 });
    const { dispatches: few } = await compare(split, linear(alone, { n: 2, k }, 'normed'));
    assert.equal(few, { 'linear-one': 6 });
    const { dispatches: many } = await compare(split, linear(alone, { n: 9, k }));
    assert.equal(many, { linear: 9 });
    const { dispatches: both } = await compare(split, gated(weights, { n: 1, k }, 'silu'), 1e-4);
    assert.equal(both, { 'linear-one': 6, glu: 1 });
    const wide = typeOf('f32');
    assert.throws(
      () => split.weightBytes(wide, 8, 1 << 15),
      (e: Error) => e.name === 'DeviceError' && /4 rows of 32768 columns.*binds 64/.test(e.message),
    );
    assert.is(split.arena.usedBytes, atFirst);
  });

  test.run();
}
