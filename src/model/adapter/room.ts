// The memory that adapters work in (linear.ts), planned with what passes need. It is small whatever
// the block: a few tokens are worked on at a time, one matrix after the other.
import type { Regions } from '../../backend/regions.ts';
import type { Tensor } from '../../backend/tensor.ts';
import type { ModelConfig } from '../config.ts';
import { tensorsOfLayer } from '../layer.ts';
import type { AdapterRoom } from '../linear.ts';

type Config = Pick<ModelConfig, 'layerSpecs' | 'width'>;

/** Tokens at a time: enough that unpacking A and B is lost beside multiplying by them. */
const TOKENS = 64;

const tokensOf = (tokens: number) => Math.min(tokens, TOKENS);

/** Rows of the largest matrix of a layer. */
const mostRows = ({ layerSpecs, width }: Config): number =>
  Math.max(
    0,
    ...layerSpecs
      .flatMap((layer) => tensorsOfLayer(layer, width))
      .map((spec) => (spec.kind === 'matrix' ? spec.rows : 0)),
  );

/** Adds it to regions of passes of up to so many tokens, where there are adapters (rank > 0). */
export function addAdapterRoom(
  regions: Regions,
  config: Config,
  rank: number,
  tokens: number,
): void {
  if (rank === 0) return;
  regions.add('adapter low', tokensOf(tokens), rank);
  regions.add('adapter delta', tokensOf(tokens), mostRows(config));
}

/** Where it lies in regions that were laid out. */
export function adapterRoomIn(
  rank: number,
  tokens: number,
  tensor: (name: string) => Tensor,
): AdapterRoom | undefined {
  if (rank === 0) return undefined;
  return {
    tokens: tokensOf(tokens),
    low: tensor('adapter low').address,
    delta: tensor('adapter delta').address,
  };
}
