// The architectures we run. A new one: its file, and its name here.
import type { Architecture } from './architecture.ts';
import { arcee } from './arcee.ts';
import { bitnet } from './bitnet.ts';
import { ernie4_5 } from './ernie4_5.ts';
import { exaone4 } from './exaone4.ts';
import { falconH1 } from './falcon-h1.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gemma3n } from './gemma3n.ts';
import { gemma4 } from './gemma4.ts';
import { gptOss } from './gpt-oss.ts';
import { granite } from './granite.ts';
import { granitehybrid, granitemoe } from './granitemoe.ts';
import { hunyuanDense } from './hunyuan-dense.ts';
import { lfm2, lfm2moe } from './lfm2.ts';
import { llama } from './llama.ts';
import { minicpm } from './minicpm.ts';
import { mistral3 } from './mistral3.ts';
import { nemotronH } from './nemotron-h.ts';
import { olmo2 } from './olmo2.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen35, qwen35moe } from './qwen35.ts';
import { qwen3moe } from './qwen3moe.ts';
import { qwen3vl } from './qwen3vl.ts';
import { smollm3 } from './smollm3.ts';

export const architectures: readonly Architecture[] = [
  llama,
  qwen2,
  qwen3,
  qwen3moe,
  qwen3vl,
  qwen35,
  qwen35moe,
  smollm3,
  gemma2,
  gemma3,
  gemma3n,
  gemma4,
  lfm2,
  lfm2moe,
  mistral3,
  phi3,
  granite,
  granitemoe,
  granitehybrid,
  olmo2,
  exaone4,
  gptOss,
  hunyuanDense,
  ernie4_5,
  minicpm,
  falconH1,
  bitnet,
  arcee,
  nemotronH,
];
