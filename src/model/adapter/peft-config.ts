// adapter_config.json, as PEFT writes it: rank and alpha, for all modules or by patterns, and what
// else changes an adapter's numbers. What we do not follow is refused by name, keys that are not
// known today too, unless their value says that they change nothing.
import { ModelFormatError, UnsupportedError } from '../../errors.ts';
import { clip } from '../damaged.ts';
import { type Pattern, readPatterns } from './patterns.ts';

export interface PeftConfig {
  /** Rank and alpha of a module, by its name: 'model.layers.0.self_attn.q_proj'. */
  rankOf(module: string): number;
  /** What its product is multiplied by: alpha / r, or with rsLoRA alpha / sqrt(r). */
  scaleOf(module: string): number;
}

/** Keys that are read here, or that change no numbers once training is over. */
const known = new Set([
  'r',
  'lora_alpha',
  'rank_pattern',
  'alpha_pattern',
  'use_rslora',
  'peft_type',
  'task_type',
  'target_modules',
  'exclude_modules',
  'layers_to_transform',
  'layers_pattern',
  'lora_dropout',
  'inference_mode',
  'init_lora_weights',
  'bias',
  'auto_mapping',
  'base_model_name_or_path',
  'revision',
  'peft_version',
  'eva_config',
  'corda_config',
  'loftq_config',
  'lora_ga_config',
  'megatron_core',
  'qalora_group_size',
  'runtime_config',
  'ensure_weight_tying',
]);

/** Ways to begin that leave the base model's weights as they are. */
const plainBeginnings: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  'gaussian',
  'eva',
  'orthogonal',
];

/** What a key is about that we do not follow, for the message. */
const meanings: Readonly<Record<string, string>> = {
  use_dora: ' (DoRA)',
  modules_to_save: ' (modules that were trained whole)',
  fan_in_fan_out: ' (matrices that lie the other way round)',
  layer_replication: ' (layers that are there several times)',
  lora_bias: ' (a bias in B)',
  alora_invocation_tokens: ' (an adapter that begins at some tokens)',
  trainable_token_indices: ' (embeddings that were trained)',
};

/** Whether a value says that nothing is asked for. */
const isNothing = (value: unknown): boolean =>
  value === null ||
  value === false ||
  value === '' ||
  value === 'none' ||
  (typeof value === 'object' && Object.keys(value).length === 0);

/**
 * Reads it. Throws ModelFormatError for what is none, UnsupportedError for what we do not follow.
 */
export function readPeftConfig(text: string, file: string): PeftConfig {
  const config = parse(text, file);
  refuseOthers(config, file);
  const number = (key: string, value: unknown): number => {
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new ModelFormatError(
      `${file}: '${key}' is ${clip(JSON.stringify(value) ?? 'missing')}, expected a number: get ` +
        `another copy`,
    );
  };
  const patterns = (key: string): Pattern[] => {
    const table = config[key] ?? {};
    if (typeof table !== 'object' || Array.isArray(table))
      throw new ModelFormatError(`${file}: '${key}' is no table of numbers: get another copy`);
    return readPatterns(
      Object.entries(table).map(([name, value]) => [name, number(`${key}.${clip(name)}`, value)]),
      key,
      file,
    );
  };
  const [rank, alpha] = [number('r', config.r), number('lora_alpha', config.lora_alpha)];
  const [ranks, alphas] = [patterns('rank_pattern'), patterns('alpha_pattern')];
  const valueIn = (list: readonly Pattern[], module: string, fallback: number) =>
    list.find(({ fits }) => fits(module))?.value ?? fallback;
  const rankOf = (module: string) => valueIn(ranks, module, rank);
  return {
    rankOf,
    scaleOf: (module) =>
      valueIn(alphas, module, alpha) /
      (config.use_rslora === true ? Math.sqrt(rankOf(module)) : rankOf(module)),
  };
}

function parse(text: string, file: string): Readonly<Record<string, unknown>> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // told below
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new ModelFormatError(
      `${file}: no JSON object, expected what PEFT writes as adapter_config.json: get another copy`,
    );
  return config as Record<string, unknown>;
}

function refuseOthers(config: Readonly<Record<string, unknown>>, file: string): void {
  const refuse = (key: string, value: unknown): never => {
    const meaning = Object.hasOwn(meanings, key) ? meanings[key] : '';
    throw new UnsupportedError(
      `${file}: '${clip(key)}' is ${clip(JSON.stringify(value))}${meaning}, which we do not ` +
        `follow: choose a plain LoRA adapter`,
    );
  };
  if (config.peft_type !== 'LORA') refuse('peft_type', config.peft_type ?? null);
  if (!isNothing(config.bias ?? null)) refuse('bias', config.bias);
  const { init_lora_weights: begin } = config;
  // others change the base model's weights too, which is not ours to repeat
  if (!plainBeginnings.includes(begin)) refuse('init_lora_weights', begin);
  for (const [key, value] of Object.entries(config))
    if (!known.has(key) && !isNothing(value)) refuse(key, value);
}
