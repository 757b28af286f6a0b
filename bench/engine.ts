// The whole engine on a 135M-parameter llama in Q8_0 (30 layers, 576 wide, 9 and 3 heads of 64, feed-forward 1536, vocabulary 49152),
// made at random: speed does not depend on what the weights are.
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { planRun } from '../src/engine/plan.ts';
import { Run } from '../src/engine/run.ts';
import { loadModel } from '../src/model/model.ts';
import { createRandom } from '../src/math/rng.ts';
import { floatToHalf } from '../src/math/half.ts';
import { type MetadataValue, type TensorSpec, writeGguf } from '../test/gguf-writer.ts';
import { planOptions } from '../test/plan-options.ts';
import type { BenchGroup } from './case.ts';

const SHAPE = { layers: 30, width: 576, heads: 9, kvHeads: 3, headDim: 64, feedForward: 1536, vocabulary: 49152 };
const PROMPT = 512;
const REPLY = 64;

/** A Q8_0 matrix of small random numbers. */
function q8(random: () => number, rows: number, columns: number): Uint8Array {
  const blocks = (rows * columns) / 32;
  const bytes = new Uint8Array(blocks * 34);
  const view = new DataView(bytes.buffer);
  const scale = floatToHalf(1 / (40 * Math.sqrt(columns)));
  for (let b = 0; b < blocks; b++) {
    view.setUint16(34 * b, scale, true);
    for (let i = 2; i < 34; i += 4) view.setUint32(34 * b + i, (random() * 2 ** 32) >>> 0, true);
  }
  return bytes;
}

function writeRandomModel(path: string): void {
  const { layers, width: D, heads, kvHeads, headDim: d, feedForward: F, vocabulary: V } = SHAPE;
  const random = createRandom(1);
  const ones = (n: number): Uint8Array => new Uint8Array(new Float32Array(n).fill(1).buffer);
  const matrix = (name: string, rows: number, columns: number): TensorSpec => ({ name, shape: [columns, rows], type: 8, data: q8(random, rows, columns) });
  const vector = (name: string): TensorSpec => ({ name, shape: [D], type: 0, data: ones(D) });
  const tensors = [matrix('token_embd.weight', V, D), vector('output_norm.weight')];
  for (let i = 0; i < layers; i++) {
    const at = `blk.${i}.`;
    tensors.push(
      vector(`${at}attn_norm.weight`),
      vector(`${at}ffn_norm.weight`),
      matrix(`${at}attn_q.weight`, heads * d, D),
      matrix(`${at}attn_k.weight`, kvHeads * d, D),
      matrix(`${at}attn_v.weight`, kvHeads * d, D),
      matrix(`${at}attn_output.weight`, D, heads * d),
      matrix(`${at}ffn_gate.weight`, F, D),
      matrix(`${at}ffn_up.weight`, F, D),
      matrix(`${at}ffn_down.weight`, D, F),
    );
  }
  const metadata: Record<string, MetadataValue> = {
    'general.architecture': 'llama',
    'general.name': 'random-135m',
    'llama.context_length': 8192,
    'llama.embedding_length': D,
    'llama.block_count': layers,
    'llama.feed_forward_length': F,
    'llama.attention.head_count': heads,
    'llama.attention.head_count_kv': kvHeads,
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'llama.rope.freq_base': { f32: 100000 },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': Array.from({ length: V }, (_, i) => `t${i}`),
    'tokenizer.ggml.merges': ['t 0'],
    'tokenizer.ggml.eos_token_id': V - 1,
  };
  writeFileSync(path, writeGguf({ metadata, tensors }));
}

export const engine: BenchGroup = {
  name: 'engine',
  summary: `135M-parameter llama in Q8_0: load, ${PROMPT}-token prompt, ${REPLY} tokens of reply`,
  async run(_, report) {
    const folder = fileURLToPath(new URL('../../../bench/models/', import.meta.url));
    const path = `${folder}random-135m-q8_0.gguf`;
    if (!existsSync(path)) {
      mkdirSync(folder, { recursive: true });
      writeRandomModel(path);
    }
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    let most = before;
    const begin = performance.now();
    const model = await loadModel(path, { onProgress: () => void (most = Math.max(most, process.memoryUsage().rss)) });
    report({
      name: 'load',
      rate: performance.now() - begin,
      unit: 'ms',
      note: `process grew by ${((most - before) / statSync(path).size).toFixed(2)} x the file at most`,
    });
    for (const policy of ['full', 'snapkv', 'kvzip']) {
      const evicts = policy !== 'full';
      const plan = planRun(model.transformer, planOptions(policy, { budget: { tokens: evicts ? 192 : 640 }, blockSize: 128 }));
      const rates: number[][] = [[], []];
      for (let round = 0; round < 3; round++) {
        const run = new Run(model.transformer, plan);
        const tokens = Array.from({ length: PROMPT }, (__, i) => (i * 7919 + round) % SHAPE.vocabulary);
        let at = performance.now();
        for (let i = 0; i < PROMPT; i += 128) run.step(tokens.slice(i, i + 128));
        rates[0].push(PROMPT / ((performance.now() - at) / 1000));
        at = performance.now();
        for (let i = 0; i < REPLY; i++) {
          run.extend([i]);
          run.logits(0);
        }
        rates[1].push(REPLY / ((performance.now() - at) / 1000));
        run.dispose();
      }
      const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];
      report({ name: `prefill ${PROMPT}, ${policy}`, rate: median(rates[0]), unit: 'tokens/s', note: `${model.backend.build} kernels, 1 thread` });
      report({ name: `decode ${REPLY}, ${policy}`, rate: median(rates[1]), unit: 'tokens/s' });
    }
    model.dispose();
  },
};
