// All cases of the contract, a file a group.
import { attendingCases } from './attending.ts';
import { attentionCases } from './attention.ts';
import { cacheCases } from './cache.ts';
import type { OpCase } from './case.ts';
import { choiceCases } from './choices.ts';
import { composedCases } from './composed.ts';
import { elementCases } from './elements.ts';
import { expertCases } from './experts.ts';
import { extremeCases } from './extremes.ts';
import { lookCases } from './looks.ts';
import { productCases } from './products.ts';
import { recurrentCases } from './recurrent.ts';
import { scoreCases } from './scores.ts';
import { streamCases } from './streams.ts';

export const conformanceCases: readonly OpCase[] = [
  ...elementCases,
  ...streamCases,
  ...productCases,
  ...recurrentCases,
  ...composedCases,
  ...expertCases,
  ...attentionCases,
  ...attendingCases,
  ...lookCases,
  ...scoreCases,
  ...choiceCases,
  ...cacheCases,
  ...extremeCases,
];
