// Loads mutated adapters beside a model: every failure is one of our errors, nothing takes long or
// much memory.
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel } from '../../src/engine/model.ts';
import { RecollectError } from '../../src/errors.ts';
import { createRandom } from '../../src/math/rng.ts';
import type { AdapterOption } from '../../src/model/adapter/option.ts';
import { ggufAdapter, type PairData, peftAdapter } from '../../src/model/adapter/write.ts';
import { joined } from '../../src/math/joined.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';
import { mutate, takeApart } from './mutate.ts';

export interface AdapterOutcome {
  readonly findings: { file: number; what: string }[];
  loaded: number;
  errors: Record<string, number>;
}

/** What is granted a file. */
const MOST_MS = 2000;
const MOST_BYTES = 300e6;

const base = writeGguf(smallLlama());
const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i));
const data = {
  name: 'small',
  alpha: 4,
  pairs: [
    ['attn_q', 8, 8],
    ['attn_k', 4, 8],
    ['ffn_down', 8, 16],
  ].map(([name, m, k]): PairData => ({
    matrix: `blk.0.${name}.weight`,
    rank: 2,
    a: numbers(2 * Number(k)),
    b: numbers(2 * Number(m)),
  })),
};
const gguf = takeApart(joined(ggufAdapter(data, { architecture: 'llama' })));
const ropes = [
  { style: 'pairs', factors: 'rope_freqs.weight', base: 1e4, dims: 4, scale: 1 },
] as const;
const own = { kind: 'attention', queryHeads: 2, kvHeads: 1, headDim: 4 } as const;
const peft = peftAdapter(data, { ropes, layerSpecs: [[own]], layers: 1 });
const safetensors = joined(peft.tensors);
const headerBytes = Number(new DataView(safetensors.buffer).getBigUint64(0, true));
const header = new TextDecoder().decode(safetensors.subarray(8, 8 + headerBytes)).trimEnd();

type Random = () => number;
const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)];

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const oddValues: readonly Json[] = [
  ...[null, true, false, -1, 0, 1, 2, 1.5, 1e308, 2 ** 53, '', 'x', '(a+)+$', '('.repeat(3000)],
  ...[[], {}, [[1]], 'LORA', 'F16', 'F64', 'pissa', [2, 8], [8, 2], [0, 64], { q_proj: 2 }],
];
const oddNames = ['__proto__', 'lm_head', 'use_dora', 'rank_pattern', 'alpha_pattern', 'bias', ''];
const oddText = ['{', '}', '"', ',', ':', '[', '\\', '\\u0041', '1e999', '\0', '['.repeat(5000)];

/** JSON with a value, a name or an entry changed, somewhere in it; or with its text damaged. */
function mutateJson(text: string, random: Random): string {
  const at = below(random, text.length);
  const kind = random();
  if (kind < 0.08) return text.slice(0, at) + pick(random, oddText) + text.slice(at + 1);
  // an entry twice: JSON takes the last
  if (kind < 0.16) return text.trimEnd().replace(/^\{(.*)\}$/s, '{$1,$1}');
  const root = JSON.parse(text) as { [name: string]: Json };
  for (let i = 1 + below(random, 2); i > 0; i--) change(root, random);
  return JSON.stringify(root);
}

/** Changes one entry of a record or list, or of one in it. */
function change(node: { [name: string]: Json } | Json[], random: Random): void {
  const entries = node as { [name: string]: Json };
  const name = pick(random, Object.keys(entries));
  const value = entries[name];
  const inner = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (inner && random() < 0.7) {
    change(value, random);
    return;
  }
  const number = Number(value) + pick(random, [-1, 1, 4, 64, 2 ** 31]);
  const changes = [
    () => void (entries[name] = pick(random, oddValues)),
    () => void (entries[name] = number),
    () => void delete entries[name],
    () => void (entries[pick(random, oddNames)] = pick(random, oddValues)),
    () => {
      delete entries[name];
      entries[name.replace(/\d|lora_|proj|layers/, pick(random, ['7', '', 'x', 'norm']))] = value;
    },
  ];
  pick(random, changes)();
}

function mutateSafetensors(random: Random): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(random() < 0.6 ? mutateJson(header, random) : header);
  const length = new DataView(new ArrayBuffer(8));
  const lies = [0n, 1n, 2n ** 32n, 2n ** 63n, BigInt(json.length) + 1n, BigInt(json.length) - 1n];
  length.setBigUint64(0, random() < 0.9 ? BigInt(json.length) : pick(random, lies), true);
  const body = safetensors.slice(8 + headerBytes);
  if (random() < 0.3)
    for (let i = 1 + below(random, 20); i > 0; i--)
      body[below(random, body.length)] = below(random, 256);
  const file = joined([new Uint8Array(length.buffer), json, body]);
  return random() < 0.1 ? file.slice(0, below(random, file.length)) : file;
}

/** The mutated adapter of a number, in either format. */
export function adapterOf(seed: number, file: number): AdapterOption {
  const random = createRandom(seed * 1_000_003 + file);
  if (file % 2 === 0) return { source: mutate(gguf, seed * 1_000_003 + file) };
  const config = random() < 0.4 ? mutateJson(peft.config, random) : peft.config;
  const source = random() < 0.7 ? mutateSafetensors(random) : safetensors;
  return { source, config: new TextEncoder().encode(config) };
}

export async function fuzzAdapters(seed: number, count: number): Promise<AdapterOutcome> {
  const outcome: AdapterOutcome = { findings: [], loaded: 0, errors: {} };
  for (let file = 0; file < count; file++) {
    const found = (what: string) => outcome.findings.push({ file, what });
    const [adapter, before, begin] = [
      adapterOf(seed, file),
      process.memoryUsage.rss(),
      performance.now(),
    ];
    try {
      using model = await loadModel(base, { adapters: [adapter], threads: 1, pipeline: 1 });
      await textLogits(model, 'the hen', 5);
      outcome.loaded++;
    } catch (error) {
      const { name, stack } = error as Error;
      if (error instanceof RecollectError) outcome.errors[name] = (outcome.errors[name] ?? 0) + 1;
      else found(String(stack ?? error).slice(0, 600));
    }
    const [ms, grown] = [performance.now() - begin, process.memoryUsage.rss() - before];
    if (ms > MOST_MS) found(`took ${Math.round(ms)} ms`);
    if (grown > MOST_BYTES) found(`took ${Math.round(grown / 1e6)} MB`);
  }
  return outcome;
}
