// The policies by name. A new one: its file, and its line here.
import { describeValue, didYouMean } from '../arguments.ts';
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

const registered = [
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
] as const;

/** A name that a policy has: 'snapkv', 'keydiff', ... */
export type PolicyName = (typeof registered)[number]['name'];

export const policies: readonly (Policy & { readonly name: PolicyName })[] = registered;

/** A policy by name. Throws OptionError with the nearest name, and all there are. */
export function findPolicy(name: PolicyName | (string & {})): Policy {
  const policy = policies.find((p) => p.name === name);
  if (!policy) {
    const names = policies.map((p) => p.name);
    const near = typeof name === 'string' ? didYouMean(name, names) : '';
    throw new OptionError(`no policy ${describeValue(name)}${near}; there are ${names.join(', ')}`);
  }
  return policy;
}
