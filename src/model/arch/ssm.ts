// Keys of recurrent layers.
import type { DeltaNetSpec } from '../blocks/delta-net.ts';
import type { Mamba2Spec } from '../blocks/mamba2.ts';
import { ModelFormatError } from '../../errors.ts';
import type { MetadataReader } from '../metadata.ts';
import type { Shape } from './architecture.ts';

const MOST = 2 ** 18;

/** Keys that both read. */
export const ssmKeys = [
  'ssm.conv_kernel',
  'ssm.inner_size',
  'ssm.state_size',
  'ssm.time_step_rank',
  'ssm.group_count',
] as const;

interface Numbers {
  readonly taps: number;
  readonly inner: number;
  readonly stateSize: number;
  /** Heads of values, and what they are grouped in. */
  readonly heads: number;
  readonly groups: number;
}

function numbersOf({ file }: Shape, read: MetadataReader): Numbers {
  const numbers = {
    taps: read.count('ssm.conv_kernel', MOST),
    inner: read.count('ssm.inner_size', MOST),
    stateSize: read.count('ssm.state_size', MOST),
    heads: read.count('ssm.time_step_rank', MOST),
    groups: read.count('ssm.group_count', MOST),
  };
  const { inner, heads, groups } = numbers;
  if (heads % groups !== 0 || inner % heads !== 0 || inner % groups !== 0)
    throw new ModelFormatError(
      `${file}: recurrent layers of ${inner} columns in ${heads} heads and ${groups} groups; ` +
        `expected whole numbers of columns a head, and of heads a group`,
    );
  return numbers;
}

/** A layer's Mamba-2. */
export function mamba2Spec(
  shape: Shape,
  read: MetadataReader,
  change: Partial<Mamba2Spec> = {},
): Mamba2Spec {
  return { kind: 'mamba2', norm: 'attn_norm', ...numbersOf(shape, read), ...change };
}

/** A layer's gated delta net. */
export function deltaNetSpec(shape: Shape, read: MetadataReader): DeltaNetSpec {
  const { taps, inner, stateSize, heads, groups } = numbersOf(shape, read);
  if (inner !== heads * stateSize)
    throw new ModelFormatError(
      `${shape.file}: delta nets of ${heads} heads of ${stateSize} have ${heads * stateSize} ` +
        `columns, '${'ssm.inner_size'}' is ${inner}`,
    );
  return {
    kind: 'delta-net',
    norm: 'attn_norm',
    keyHeads: groups,
    valueHeads: heads,
    headDim: stateSize,
    taps,
  };
}
