// The policies by name. A new one: its file, and its line here.
import { OptionError } from '../errors.ts';
import { adakv } from './adakv.ts';
import { criticalkv } from './criticalkv.ts';
import { defensivekv } from './defensivekv.ts';
import { epicache } from './epicache.ts';
import { epicacheDefensive } from './epicache-defensive.ts';
import { expectedAttention } from './expected-attention.ts';
import { full } from './full.ts';
import { h2o } from './h2o.ts';
import { infinipot } from './infinipot.ts';
import { keydiff } from './keydiff.ts';
import { knorm } from './knorm.ts';
import { kvzip } from './kvzip.ts';
import { layerDefensivekv } from './layer-defensivekv.ts';
import type { Policy } from './policy.ts';
import { pyramidkv } from './pyramidkv.ts';
import { random } from './random.ts';
import { snapkv } from './snapkv.ts';
import { streamingLlm } from './streaming-llm.ts';
import { tova } from './tova.ts';

export const policies: readonly Policy[] = [
  full,
  streamingLlm,
  random,
  knorm,
  keydiff,
  tova,
  h2o,
  snapkv,
  adakv,
  pyramidkv,
  criticalkv,
  defensivekv,
  layerDefensivekv,
  expectedAttention,
  infinipot,
  kvzip,
  epicache,
  epicacheDefensive,
];

/** A policy by name. Throws OptionError, naming all there are. */
export function findPolicy(name: string): Policy {
  const policy = policies.find((p) => p.name === name);
  if (!policy) throw new OptionError(`no policy '${name}'; there are ${policies.map((p) => p.name).join(', ')}`);
  return policy;
}
