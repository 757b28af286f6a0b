// The ranges of a frame: lo and hi of each channel, or of channels that share them, as f16 times a
// power of two that the frame names, so that gradients of 1e-9 have eleven bits as well.
import type { Packing } from '../../backend/wasm/packing.ts';
import { OptionError, ProtocolError } from '../../errors.ts';
import { floatToHalf, halfToFloat } from '../../math/half.ts';

/** Grids of channels, without their bits: D numbers each. */
export interface Ranges {
  readonly lo: Float32Array;
  readonly hi: Float32Array;
}

/** The largest number's power of two as f16: the largest f16 is 2^16 - 32. */
const TOP_EXPONENT = 14;
/** Smaller numbers are sent as zeros: their reciprocals would be infinite. */
const LEAST_EXPONENT = -90;
const MOST_EXPONENT = 106;

/** Bytes of the ranges of `channels` channels in groups. */
export const rangeBytes = (channels: number, group: number): number =>
  4 * Math.ceil(channels / group);

/**
 * The ranges of x [T, channels], T > 0, as they are after rounding, and as bytes. Throws
 * OptionError where a number is not finite.
 */
export function rangesOf(
  kernels: Packing,
  x: Float32Array,
  channels: number,
  group: number,
): { ranges: Ranges; exponent: number; bytes: Uint8Array } {
  const [lo, hi] = [new Float32Array(channels), new Float32Array(channels)];
  const isWhole = kernels.ranges(lo, hi, x);
  const largest = [lo, hi].reduce(
    (m, side) => side.reduce((a, b) => Math.max(a, Math.abs(b)), m),
    0,
  );
  const exponent =
    largest === 0 ? 0 : Math.max(LEAST_EXPONENT, Math.floor(Math.log2(largest)) - TOP_EXPONENT);
  if (!isWhole || exponent > MOST_EXPONENT)
    throw new OptionError(
      'numbers to send are NaN, infinite or above 1e36, expected finite ones: lower the rate of ' +
        'the training',
    );
  const bytes = new Uint8Array(rangeBytes(channels, group));
  const view = new DataView(bytes.buffer);
  for (let from = 0, at = 0; from < channels; from += group, at += 4) {
    const end = Math.min(channels, from + group);
    view.setUint16(at, floatToHalf(Math.min(...lo.subarray(from, end)) * 2 ** -exponent), true);
    view.setUint16(at + 2, floatToHalf(Math.max(...hi.subarray(from, end)) * 2 ** -exponent), true);
  }
  return { ranges: readRanges(bytes, channels, group, exponent), exponent, bytes };
}

/** The same of a frame's bytes. Throws ProtocolError for what rangesOf() does not make. */
export function readRanges(
  bytes: Uint8Array,
  channels: number,
  group: number,
  exponent: number,
): Ranges {
  if (exponent < LEAST_EXPONENT || exponent > MOST_EXPONENT)
    throw new ProtocolError(
      `frame: exponent ${exponent}, expected ${LEAST_EXPONENT} to ${MOST_EXPONENT}: ask for the ` +
        'frame again',
    );
  const [lo, hi] = [new Float32Array(channels), new Float32Array(channels)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let from = 0, at = 0; from < channels; from += group, at += 4) {
    const least = halfToFloat(view.getUint16(at, true));
    const most = halfToFloat(view.getUint16(at + 2, true));
    if (!(least <= most && most - least < Number.POSITIVE_INFINITY))
      throw new ProtocolError(
        `frame: the range of channel ${from} is ${least} to ${most}, expected finite numbers in ` +
          'order: ask for the frame again',
      );
    lo.fill(least * 2 ** exponent, from, from + group);
    hi.fill(most * 2 ** exponent, from, from + group);
  }
  return { lo, hi };
}
