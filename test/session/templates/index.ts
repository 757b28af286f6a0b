// The table of families.
import type { Family } from './family.ts';
import { gemmaPhi } from './gemma-phi.ts';
import { harmony } from './harmony.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { others } from './others.ts';
import { plain } from './plain.ts';
import { qwens } from './qwen.ts';
import { small } from './small.ts';

export const families: readonly Family[] = [
  ...plain,
  ...llama,
  ...mistral,
  ...qwens,
  ...gemmaPhi,
  ...small,
  ...others,
  ...harmony,
];
