// Packed activations against plain loops, to the bit, with guard bytes around what is written.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  codeOf,
  type Grid,
  numberOf,
  packChannels,
  packedBytes,
  unpackChannels,
} from '../../src/backend/reference/packing.ts';
import { compileKernels, detectBuild } from '../../src/backend/wasm/builds.ts';
import { createCore } from '../../src/backend/wasm/core.ts';
import { type Grids, PackingKernels } from '../../src/backend/wasm/packing.ts';
import { createRandom } from '../../src/math/rng.ts';

const test = suite('wasm, packing');

const TOKENS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 67];
const CHANNELS = [1, 2, 3, 4, 5, 15, 16, 17, 19, 32, 37];
const GUARD = 0x5a;
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);

interface Case {
  readonly x: Float32Array;
  readonly grids: Grids;
  /** The same, a record a channel. */
  readonly list: Grid[];
}

/** Constant channels, ties (channel 1 has halves of its steps), numbers beyond their grids. */
function caseOf(T: number, D: number, only?: number): Case {
  const random = createRandom(100 * T + D);
  const x = Float32Array.from({ length: T * D }, (_, i) => {
    const size = 10 ** ((i % D) % 5) / 100;
    return i % D === 3 ? 0.25 : Math.round(64 * size * (random() - 0.5)) / 16 + random() * 1e-3;
  });
  const lo = new Float32Array(D);
  const hi = new Float32Array(D);
  for (let c = 0; c < D; c++) {
    const channel = Array.from({ length: T }, (_, t) => x[t * D + c]);
    const shrink = c % 4 === 2 ? 0.9 : 1;
    lo[c] = Math.min(...channel) * shrink;
    hi[c] = Math.max(lo[c], Math.max(...channel) * shrink);
  }
  const bits = Uint8Array.from({ length: D }, (_, c) => only ?? 1 + ((c * 5 + T) % 8));
  if (D > 1) {
    hi[1] = 2 ** bits[1] - 1;
    lo[1] = 0;
    for (let t = 0; t < T; t++) x[t * D + 1] = Math.floor(2 * hi[1] * random()) / 2;
  }
  const list = Array.from(bits, (b, c) => ({ lo: lo[c], hi: hi[c], bits: b }));
  return { x, grids: { lo, hi, bits }, list };
}

/** A kernel memory with parts of `sizes` bytes, each between guards. */
function guarded(build: 'simd' | 'relaxed', sizes: readonly number[]) {
  const { kernels, memory, base, reserve } = createCore(compileKernels(build));
  const total = sizes.reduce((sum, size) => sum + size + 128, base + 64);
  reserve(total);
  const all = new Uint8Array(memory.buffer, base, total - base).fill(GUARD);
  let at = (base + 63) & ~15;
  const parts = sizes.map((size) => {
    const begin = at;
    at = (at + size + 63) & ~15;
    return begin;
  });
  const isWhole = () => {
    const inside = (p: number) => parts.some((begin, i) => p >= begin && p < begin + sizes[i]);
    return all.every((byte, i) => byte === GUARD || inside(base + i));
  };
  const put = (part: number, { buffer, byteOffset, byteLength }: Float32Array | Uint8Array) =>
    new Uint8Array(memory.buffer, parts[part]).set(new Uint8Array(buffer, byteOffset, byteLength));
  const read = (part: number) => new Uint8Array(memory.buffer, parts[part], sizes[part]).slice();
  return { kernels, parts, put, read, isWhole };
}

for (const build of builds) {
  test(`${build}: packed and unpacked as the definition has it`, () => {
    for (const T of TOKENS)
      for (const D of CHANNELS) {
        const { x, grids, list } = caseOf(T, D);
        const bytes = packedBytes(T, grids.bits);
        const scratch = createCore(compileKernels(build)).kernels.packing_scratch(T);
        const { kernels, parts, put, read, isWhole } = guarded(build, [
          bytes,
          x.byteLength,
          D * 4,
          D * 4,
          D,
          scratch,
        ]);
        for (const [i, numbers] of [x, grids.lo, grids.hi, grids.bits].entries())
          put(i + 1, numbers);
        const [packed, at, lo, hi, bits, spare] = parts;
        assert.is(kernels.relaxed_simd(), build === 'relaxed' ? 1 : 0);
        kernels.pack_channels(packed, at, lo, hi, bits, spare, T, D);
        const expected = packChannels(x, list);
        assert.equal(read(0), expected, `packed, T ${T}, D ${D}`);
        put(1, new Float32Array(x.length).fill(Number.NaN));
        kernels.unpack_channels(at, packed, lo, hi, bits, spare, T, D);
        const numbers = new Float32Array(read(1).buffer);
        assert.equal(numbers, unpackChannels(expected, T, list), `unpacked, T ${T}, D ${D}`);
        assert.ok(isWhole(), `T ${T}, D ${D}: written beside its room`);
      }
  });

  test(`${build}: every width alone, and nothing but the grid's error`, () => {
    const kernels = new PackingKernels(createCore(compileKernels(build)));
    for (let width = 1; width <= 8; width++) {
      const [T, D] = [37, 21];
      const { x, grids, list } = caseOf(T, D, width);
      const out = new Uint8Array(packedBytes(T, grids.bits));
      kernels.pack(out, x, grids);
      assert.equal(out, packChannels(x, list), `${width} bits`);
      const back = new Float32Array(x.length);
      kernels.unpack(back, out, grids);
      for (const [i, wanted] of x.entries()) {
        const { lo, hi } = list[i % D];
        const inside = Math.min(hi, Math.max(lo, wanted));
        const most = (0.5001 * (hi - lo)) / (2 ** width - 1) + 1e-6 * Math.abs(hi);
        assert.ok(Math.abs(back[i] - inside) <= most, `${width} bits, number ${i}`);
      }
    }
  });

  test(`${build}: ranges of channels, and what is no number`, () => {
    const kernels = new PackingKernels(createCore(compileKernels(build)));
    for (const T of TOKENS)
      for (const D of CHANNELS) {
        const { x } = caseOf(T, D);
        const [lo, hi] = [new Float32Array(D), new Float32Array(D)];
        assert.is(kernels.ranges(lo, hi, x), true);
        for (let c = 0; c < D; c++) {
          const channel = x.filter((_, i) => i % D === c);
          assert.equal([lo[c], hi[c]], [Math.min(...channel), Math.max(...channel)]);
        }
        for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const broken = x.slice();
          broken[(7 * T + 5 * D) % x.length] = odd;
          assert.is(kernels.ranges(lo, hi, broken), false, `${odd}, T ${T}, D ${D}`);
        }
      }
  });
}

test('the definition rounds to the nearest, ties to even, and stays on its grid', () => {
  const grid = { lo: 0, hi: 15, bits: 4 };
  const codes = [-3, 0, 0.5, 1.5, 2.5, 2.51, 14.4, 15, 99].map((x) => codeOf(x, grid));
  assert.equal(codes, [0, 0, 0, 2, 2, 3, 14, 15, 15]);
  assert.equal(
    codes.map((code) => numberOf(code, { lo: -1, hi: 14, bits: 4 })),
    codes.map((code) => code - 1),
  );
  assert.is(codeOf(5, { lo: 5, hi: 5, bits: 3 }), 0);
  assert.is(numberOf(0, { lo: 5, hi: 5, bits: 3 }), 5);
  // lowest bit first, channels one behind the other
  const x = Float32Array.of(1, 3, 0, 2);
  const packed = packChannels(x, [
    { lo: 0, hi: 1, bits: 1 },
    { lo: 0, hi: 3, bits: 2 },
  ]);
  assert.equal([...packed], [0b10_11_0_1]);
});

test.run();
