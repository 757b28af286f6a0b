// The rope that a file's common keys describe.
import { ModelFormatError, UnsupportedError } from '../../errors.ts';
import type { MetadataReader } from '../metadata.ts';
import type { RopeSpec, YarnSpec } from '../rotary.ts';
import type { Shape } from './architecture.ts';

/** Keys of scalings that ropeSpec() follows in every architecture. */
export const ropeKeys = [
  'rope.scaling.attn_factor',
  'rope.scaling.original_context_length',
  'rope.scaling.yarn_beta_fast',
  'rope.scaling.yarn_beta_slow',
] as const;

export interface RopeOptions extends Pick<RopeSpec, 'style'> {
  /** Whether a file may have factors of frequencies; 'long': two kinds, whatever its scaling. */
  readonly factors?: boolean | 'long';
  /** Whether YaRN's bounds are those of the file; llama.cpp reads them for few. */
  readonly readsBetas?: boolean;
}

const FACTORS = 'rope_freqs.weight';
const FAST = 32;
const SLOW = 1;

/** Throws UnsupportedError for a scaling that is not known. */
export function ropeSpec(
  shape: Shape,
  read: MetadataReader,
  { style, factors = false, readsBetas = false }: RopeOptions,
): RopeSpec {
  const { ropeDims: dims, file } = shape;
  const base = read.positive('rope.freq_base', 10000);
  const scaling = scalingOf(read, file);
  const original = read.positive('rope.scaling.original_context_length', shape.contextLength);
  const attention = read.positive('rope.scaling.attn_factor', 1);
  const common = { style, dims, base };
  const isLong = factors === 'long' || scaling.type === 'longrope';
  const own = factors && { factors: isLong ? factorsOf(shape, original) : FACTORS };
  if (scaling.type !== 'yarn') {
    return {
      ...common,
      scale: scaling.factor,
      ...(attention !== 1 && { magnitude: attention }),
      ...own,
    };
  }
  const yarn: YarnSpec = {
    factor: scaling.factor,
    contextLength: original,
    fast: readsBetas ? read.positive('rope.scaling.yarn_beta_fast', FAST) : FAST,
    slow: readsBetas ? read.positive('rope.scaling.yarn_beta_slow', SLOW) : SLOW,
  };
  const magnitude = attention * yarnMagnitude(yarn.factor);
  return { ...common, scale: 1, yarn, magnitude, ...own };
}

/** What YaRN multiplies queries and keys by, so that their products keep their temperature. */
export const yarnMagnitude = (factor: number, multiplier = 1): number =>
  factor > 1 ? 0.1 * multiplier * Math.log(factor) + 1 : 1;

/**
 * The tensor of a rope's factors. Of two, long and short, the long ones are meant where positions
 * go beyond the original context, whatever the text is.
 */
function factorsOf({ has, contextLength }: Shape, original: number): string {
  const [long, short] = ['rope_factors_long.weight', 'rope_factors_short.weight'];
  if (!has(long) && !has(short)) return FACTORS;
  return contextLength > original ? long : short;
}

interface Scaling {
  readonly type: 'none' | 'linear' | 'yarn' | 'longrope';
  readonly factor: number;
}
const types = ['none', 'linear', 'yarn', 'longrope'] as const;

/**
 * How positions are scaled, as llama.cpp finds it: by the factor, or by the older key where there
 * is none; a type that is not told is linear, 0 is no factor, and 'none' ignores both.
 */
function scalingOf(read: MetadataReader, file: string): Scaling {
  const given = read.value('rope.scaling.type') ?? 'linear';
  const type = types.find((each) => each === given);
  if (!type)
    throw new UnsupportedError(
      `${file}: rope scaling '${String(given).slice(0, 80)}'; supported are ${types.join(', ')}, ` +
        `and frequency factors (Llama 3): choose a model without it`,
    );
  const factor = read.number('rope.scaling.factor', read.number('rope.scale_linear', 0));
  if (!(factor >= 0 && Number.isFinite(factor)))
    throw new ModelFormatError(
      `${file}: positions are scaled by ${factor} ('rope.scaling.factor'), expected a positive ` +
        `number`,
    );
  return { type, factor: type === 'none' || factor === 0 ? 1 : factor };
}
