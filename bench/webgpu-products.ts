// Products on this machine's WebGPU device beside those of WASM: many rows by f32 weights, and one
// row by weights of few bits.
import { runtime } from '#runtime';
import type { Backend } from '../src/backend/backend.ts';
import { type WeightName, weightRowBytes, weightTypes } from '../src/backend/dtype.ts';
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { createWebgpuBackend } from '../src/backend/webgpu/backend.ts';
import { openDevice } from '../src/backend/webgpu/device.ts';
import { createRandom } from '../src/math/rng.ts';
import type { BenchGroup } from './case.ts';
import { sideBySide } from './limit.ts';

/** Rows packed at a time. */
const PACKED_ROWS = 64;
/** WASM meets weights of few bits with x rounded to 16 bits. */
const TOLERANCE = 1e-2;

/** Bytes of rows that stand for numbers of moderate size, whatever their type. */
function fileOf(bytes: number, isF32: boolean, random: () => number): Uint8Array {
  if (isF32)
    return new Uint8Array(Float32Array.from({ length: bytes / 4 }, () => random() - 0.5).buffer);
  return Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256) & 0x2f);
}

/** A product of n rows by a weight [m, k]: made, and where it is. */
function productOn(backend: Backend, name: WeightName, n: number, m: number, k: number) {
  const { arena } = backend;
  const random = createRandom(1);
  const type = weightTypes.find((row) => row.name === name)!;
  const bytes = backend.weightBytes(type, m, k);
  const address = arena.plan(bytes);
  arena.touch(address + bytes);
  const weight = { address, type, rows: m, columns: k };
  for (let row = 0; row < m; row += PACKED_ROWS) {
    const count = Math.min(PACKED_ROWS, m - row);
    const file = fileOf(count * weightRowBytes(type, k), name === 'f32', random);
    backend.packRows(weight, row, count, file);
  }
  const x = { address: arena.allocate(4 * n * k), columns: k };
  const y = { address: arena.allocate(4 * n * m), columns: m };
  backend.write(x.address, fileOf(4 * n * k, true, random));
  backend.reserveScratch({ tokens: n, queryHeads: 1, kvHeads: 1, headDim: 64, width: k });
  return {
    async run(times = 1) {
      for (let i = 0; i < times; i++) {
        if (n === 1) backend.linearOne([[y, weight]], x);
        else backend.linear([[y, weight]], x, n);
      }
      await backend.readFloats(y.address, 1);
    },
    numbers: () => backend.readFloats(y.address, n * m),
  };
}

export const webgpuProducts: BenchGroup = {
  name: 'webgpu-products',
  summary: 'products x [n, k] W [k, m] on a WebGPU device, beside WASM with one thread',
  async run(report) {
    const gpu = await runtime.gpu();
    if (!gpu) {
      console.log(`  left out: there is no WebGPU here (${runtime.gpuAdvice})`);
      return;
    }
    const first = await openDevice(gpu);
    const { isSoftware } = first;
    first.close();
    const [edge, many] = isSoftware ? [256, 1] : [4096, 20];
    const cases = [
      ['f32', edge, edge, edge, 1],
      ['q4_k', 1, 4 * edge, 4 * edge, many],
    ] as const;
    for (const [type, n, m, k, times] of cases) {
      const device = await openDevice(gpu);
      const backend = await createWebgpuBackend(device);
      const works = [backend, createWasmBackend({ threads: 1 })].map((one) =>
        productOn(one, type, n, m, k),
      );
      const [ms, wasmMs] = await sideBySide(
        works.map(
          ({ run }) =>
            () =>
              run(times),
        ),
        5,
      );
      const [found, wanted] = await Promise.all(works.map(({ numbers }) => numbers()));
      const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      if (!found.every((value, i) => Math.abs(value - wanted[i]) <= TOLERANCE * scale))
        throw new Error(`the device's product of ${type} weights is not WASM's`);
      const bytes =
        weightRowBytes(
          weightTypes.find(({ name }) => name === type)!,
          k,
        ) * m;
      const amount = (times * (n === 1 ? bytes : 2 * n * m * k)) / 1e6;
      report({
        name: `${type} ${n}x${k}x${m}`,
        rate: amount / ms,
        unit: n === 1 ? 'GB/s' : 'GFLOP/s',
        peers: [{ name: 'WASM', rate: amount / wasmMs }],
        note: device.name,
      });
      backend.dispose();
    }
  },
};
