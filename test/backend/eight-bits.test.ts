// Products with activations of eight bits, in every way that an engine may multiply bytes: whole
// numbers that are exact, so all ways have the same bits, and those of the wide kernels; numbers
// right against loops in f64 over dequantised weights.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  EIGHT_BITS,
  EIGHT_BITS_WIDE,
  SEVENS,
  SIGNED,
  SIXTEEN_BITS,
  UNSIGNED,
} from '../../build/generated/kernels.ts';
import { dequantize } from '../../src/backend/dequantize.ts';
import { weightRowBytes, type WeightType, weightTypes } from '../../src/backend/dtype.ts';
import { compileKernels, detectBuild } from '../../src/backend/wasm/builds.ts';
import { createCore } from '../../src/backend/wasm/core.ts';
import { createDrawn } from '../cases/drawn.ts';
import { weightFile } from '../cases/weight-file.ts';
import { kernelBytes } from '../fixtures.ts';

const test = suite('wasm, eight bits');

const GUARD = 64;

const modules = new Map<string, ReturnType<typeof compileKernels>>();

function compiled(build: 'relaxed' | 'debug') {
  const module =
    modules.get(build) ?? compileKernels(build === 'debug' ? kernelBytes(build) : build);
  modules.set(build, module);
  return module;
}

/** One matrix and some tokens in a memory, whole numbers of units, and what they make. */
function productsOf(type: WeightType, build: 'relaxed' | 'debug', unit = 1) {
  const core = createCore(compiled(build));
  const { kernels, memory } = core;
  const drawn = createDrawn(7);
  // (the debug build is slow)
  const k = build === 'debug' ? Math.max(64, type.elements) : 512 + Math.max(32, type.elements);
  const m = build === 'debug' ? 11 : 19;
  const rows = Math.ceil(m / 8) * 8;
  const file = weightFile(drawn, type, m, k);
  const bytes = weightRowBytes(type, k);
  // x is whole numbers times a power of two, 127 the largest of each block: rounding it changes none
  const N = 5;
  const x = Float32Array.from({ length: N * k }, (_, i) => {
    const whole = i % 32 === 5 ? 127 : drawn.whole(255) - 127;
    return unit * whole * 2 ** ((i >> 5) % 5);
  });
  let at = core.base;
  const place = (size: number) => {
    at += GUARD;
    const place = Math.ceil(at / 64) * 64;
    at = place + size;
    return place;
  };
  const [w, input, y] = [rows * bytes, x.byteLength, N * m * 4].map(place);
  const rounded = place(N * kernels.rounded_bytes(k));
  const scratch = place(kernels.gemm_scratch());
  core.reserve(at);
  new Uint8Array(memory.buffer, w, rows * bytes).fill(0);
  new Uint8Array(memory.buffer, w, file.length).set(file);
  new Float32Array(memory.buffer, input, x.length).set(x);
  kernels.pack_rows(w, scratch, m, k, type.number);

  /** All tokens at once, then each alone: the same bits. */
  function results(format: number): Float32Array {
    const step = kernels.input_bytes(k, format);
    kernels.round_input(rounded, input, N * k, format);
    kernels.gemm(y, rounded, w, scratch, N, m, k, m, type.number, format);
    const together = new Float32Array(memory.buffer, y, N * m).slice();
    for (let t = 0; t < N; t++)
      kernels.gemv(y + t * m * 4, rounded + t * step, w, m, k, type.number, format);
    const alone = new Float32Array(memory.buffer, y, N * m).slice();
    assert.equal(alone, together, `${type.name}: a token alone`);
    return together;
  }

  /** In f64; and the sum of the parts' magnitudes. */
  function expected(): { sums: Float64Array; sizes: Float64Array } {
    const numbers = Array.from({ length: m }, (_, r) =>
      dequantize(type.name, file.subarray(r * bytes, (r + 1) * bytes), k),
    );
    const [sums, sizes] = [new Float64Array(N * m), new Float64Array(N * m)];
    for (let i = 0; i < N * m; i++)
      for (let j = 0; j < k; j++) {
        const product = x[Math.floor(i / m) * k + j] * numbers[i % m][j];
        sums[i] += product;
        sizes[i] += Math.abs(product);
      }
    return { sums, sizes };
  }
  return { kernels, results, expected };
}

const quantised = weightTypes.filter(({ rounded }) => rounded);

for (const type of quantised) {
  test(`${type.name}: all ways of multiplying bytes give the same, and the right, numbers`, () => {
    const { kernels, results, expected } = productsOf(type, 'debug');
    const wide = results(EIGHT_BITS_WIDE);
    const { sums, sizes } = expected();
    wide.forEach((found, i) =>
      assert.ok(Math.abs(found - sums[i]) <= 1e-6 * sizes[i], `${found} for ${sums[i]}`),
    );
    for (const engine of [UNSIGNED, SIGNED, SEVENS]) {
      kernels.use_eight_bits(engine);
      assert.is(kernels.eight_bits(), engine);
      // codes of eight bits are not for sums that saturate
      const format = kernels.input_format(type.number, true);
      assert.is(format === EIGHT_BITS || (engine === SEVENS && format === EIGHT_BITS_WIDE), true);
      assert.equal(results(format), wide, `engine ${engine}`);
    }
  });
}

test('numbers too small for a scale are nothing, of a token alone and of several', () => {
  for (const type of quantised.filter(({ name }) => ['q4_0', 'q8_0'].includes(name)))
    for (const unit of [2 ** -149, 2 ** -124]) {
      const { kernels, results, expected } = productsOf(type, 'debug', unit);
      const { sizes } = expected();
      for (const format of [SIXTEEN_BITS, EIGHT_BITS_WIDE, kernels.input_format(type.number, true)])
        results(format).forEach((y, i) => assert.ok(Math.abs(y) <= 2 * sizes[i], `${y}`));
    }
});

if (detectBuild() === 'relaxed')
  test('as this engine multiplies them, and as every engine can', () => {
    for (const type of quantised) {
      const { kernels, results } = productsOf(type, 'relaxed');
      const wide = results(EIGHT_BITS_WIDE);
      assert.equal(results(kernels.input_format(type.number, true)), wide, type.name);
      kernels.use_eight_bits(SEVENS);
      assert.equal(results(kernels.input_format(type.number, true)), wide, `${type.name}, sevens`);
    }
  });

test.run();
