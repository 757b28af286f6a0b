// The architectures we run. A new one: its file, and its name here.
import type { Architecture } from './architecture.ts';
import { ernie4_5 } from './ernie4_5.ts';
import { exaone4 } from './exaone4.ts';
import { gemma3 } from './gemma3.ts';
import { granite } from './granite.ts';
import { llama } from './llama.ts';
import { minicpm } from './minicpm.ts';
import { olmo2 } from './olmo2.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3vl } from './qwen3vl.ts';
import { smollm3 } from './smollm3.ts';

export const architectures: readonly Architecture[] = [
  llama,
  qwen2,
  qwen3,
  qwen3vl,
  smollm3,
  gemma3,
  phi3,
  granite,
  minicpm,
  olmo2,
  exaone4,
  ernie4_5,
];
