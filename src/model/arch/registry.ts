// The architectures we run. A new one: its file, and its name here.
import type { Architecture } from './architecture.ts';
import { gemma3 } from './gemma3.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';

export const architectures: readonly Architecture[] = [llama, qwen2, qwen3, smollm3, gemma3];
