// Packing and unpacking activations beside copying them, on one thread: frames of 256 tokens, one
// after the other so that none is in a cache, GB/s of the f32 numbers that go in or come out. Bits
// are mixed, 4 on average, and then of one width. What is below LIMIT is marked, and fails.
import { compileKernels } from '../src/backend/wasm/builds.ts';
import { createCore } from '../src/backend/wasm/core.ts';
import { createRandom } from '../src/math/rng.ts';
import type { BenchGroup } from './case.ts';
import { bestOf } from './limit.ts';

const [T, D, FRAMES] = [256, 4096, 16];
/** Share of copying that packing and unpacking must reach. */
const LIMIT = 0.3;
const ROUNDS = 80;
const SHAPES: readonly (readonly [string, (c: number) => number])[] = [
  ['1 to 8 bits, 4 on average', (c) => [1, 8, 2, 5, 3, 4, 6, 3][c % 8]],
  ...[1, 2, 3, 4, 8].map((b) => [`${b} bits`, () => b] as const),
];

export const packing: BenchGroup = {
  name: 'packing',
  summary: `activations [${T}, ${D}] packed and unpacked by channel, beside copying them`,
  run(report) {
    const { kernels, memory, base, reserve } = createCore(compileKernels());
    const bytes = T * D * 4;
    const scratch = (base + 15) & ~15;
    const [lo, hi, bits] = [0, 4, 8].map(
      (at) => scratch + kernels.packing_scratch(T) + 64 + at * D,
    );
    const packed = (bits + D + 63) & ~63;
    const x = packed + bytes;
    const y = x + FRAMES * bytes;
    reserve(y + FRAMES * bytes);
    const random = createRandom(1);
    const numbers = new Float32Array(memory.buffer, x, FRAMES * T * D);
    for (let i = 0; i < numbers.length; i++) numbers[i] = random() - 0.5;
    const all = new Uint8Array(memory.buffer);
    // a frame a call, the next one each time: calls are short, so that some are not interrupted
    let call = 0;
    const each = (work: (from: number, to: number) => void) => () => {
      const at = (call++ % FRAMES) * bytes;
      work(x + at, y + at);
    };
    const works = {
      copy: each((from, to) => all.copyWithin(to, from, from + bytes)),
      ranges: each((from) => kernels.channel_ranges(lo, hi, from, T, D)),
      pack: each((from) => kernels.pack_channels(packed, from, lo, hi, bits, scratch, T, D)),
      unpack: each((_, to) => kernels.unpack_channels(to, packed, lo, hi, bits, scratch, T, D)),
    };
    for (const [name, bitsOf] of SHAPES) {
      new Uint8Array(memory.buffer, bits, D).set(
        Uint8Array.from({ length: D }, (_, c) => bitsOf(c)),
      );
      const [copyMs, ...times] = bestOf(Object.values(works), ROUNDS);
      for (const [i, ms] of times.entries()) {
        const share = copyMs / ms;
        if (share < LIMIT) process.exitCode = 1;
        report({
          name: `${Object.keys(works)[i + 1]}, ${name}`,
          rate: bytes / ms / 1e6,
          unit: 'GB/s',
          share,
          limit: 'copying',
          ...(share < LIMIT ? { note: `BELOW ${LIMIT * 100}%` } : {}),
        });
      }
    }
    return Promise.resolve();
  },
};
