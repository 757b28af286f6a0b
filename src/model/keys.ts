// Keys of an architecture that change its numbers and that we do not follow: refused by name,
// unless their value says that they change nothing, or the architecture says that it follows them
// (Architecture.keys). Which these are was read in llama.cpp's loader (its names of keys, and what
// it reads for each architecture); a key that it ignores is refused too where whoever wrote it
// cannot have meant that.
import { UnsupportedError } from '../errors.ts';
import type { Architecture, Shape } from './arch/architecture.ts';
import type { Metadata } from './gguf.ts';

/** Whether a value changes nothing. */
type Neutral = (value: unknown, shape: Shape, architecture: Architecture) => boolean;

interface Rule {
  readonly neutral: Neutral;
  /** What a model is that has it, for the message. */
  readonly meaning: string;
}

const numberOf = (value: unknown): number =>
  typeof value === 'bigint' || typeof value === 'boolean'
    ? Number(value)
    : typeof value === 'number'
      ? value
      : Number.NaN;
const oneOf =
  (...values: number[]): Neutral =>
  (value) =>
    values.includes(numberOf(value));
/** 0, false, nothing, or a list of these. */
const off: Neutral = (value) =>
  Array.isArray(value)
    ? value.every((v) => numberOf(v) === 0)
    : value === '' || numberOf(value) === 0;
/** A number as an f32 has it. */
const near = (value: unknown, expected: number): boolean =>
  Math.abs(numberOf(value) - expected) <= 1e-5 * expected;

/** Names of the activations, as configurations write them. */
const activationNames: Readonly<Partial<Record<Architecture['activation'], readonly string[]>>> = {
  silu: ['silu', 'swish', 'swiglu'],
  gelu: ['gelu_pytorch_tanh', 'gelu_tanh'],
};
const isActivation: Neutral = (value, _, { activation }) =>
  value === '' || activationNames[activation]?.includes(String(value)) === true;

/**
 * Keys that are read, or that change nothing by themselves: shapes told twice, how the file was
 * made.
 */
const harmless = new Set([
  'vocab_size',
  'context_length',
  'embedding_length',
  'block_count',
  'feed_forward_length',
  'tensor_data_layout',
  'attention.head_count',
  'attention.head_count_kv',
  'attention.key_length',
  'attention.value_length',
  'attention.layer_norm_rms_epsilon',
  'attention.layer_norm_epsilon',
  'attention.sliding_window_pattern',
  'rope.dimension_count',
  'rope.freq_base',
  'rope.scale_linear',
  'rope.scaling.type',
  'rope.scaling.factor',
  // these matter to yarn and longrope only
  'rope.scaling.original_context_length',
  'rope.scaling.finetuned',
  'rope.scaling.attn_factor',
  'rope.scaling.yarn_beta_fast',
  'rope.scaling.yarn_beta_slow',
]);

const rules: Readonly<Record<string, Rule>> = {
  'attention.causal': {
    neutral: oneOf(1),
    meaning: 'tokens that see those behind them (an encoder)',
  },
  'attention.sliding_window': {
    neutral: (value, shape, arch) =>
      off(value, shape, arch) || numberOf(value) >= shape.contextLength,
    meaning: 'layers that see a window of the text',
  },
  'attention.scale': {
    neutral: (value, shape, arch) =>
      off(value, shape, arch) || near(value, 1 / Math.sqrt(shape.headDim)),
    meaning: 'attention of another scale',
  },
  'attention.output_scale': { neutral: oneOf(0, 1), meaning: 'scaled attention' },
  'attention.value_scale': { neutral: oneOf(0, 1), meaning: 'scaled values' },
  'attention.clamp_kqv': { neutral: off, meaning: 'clamped queries, keys and values' },
  'attention.max_alibi_bias': { neutral: off, meaning: 'positions by ALiBi' },
  'rope.scaling.alpha': { neutral: oneOf(0, 1), meaning: 'a rope base that is scaled' },
  'rope.scaling.yarn_ext_factor': { neutral: oneOf(0, -1), meaning: 'rope scaling by YaRN' },
  'rope.scaling.yarn_attn_factor': {
    neutral: oneOf(1, -1),
    meaning: 'rotated rows that are scaled',
  },
  'rope.scaling.yarn_log_multiplier': { neutral: off, meaning: 'rope scaling by YaRN' },
  'rope.dimension_sections': {
    neutral: off,
    meaning: 'positions in several dimensions (a model that sees)',
  },
  logit_scale: { neutral: oneOf(0, 1), meaning: 'scaled log-odds' },
  residual_scale: { neutral: oneOf(0, 1), meaning: 'scaled residuals' },
  embedding_scale: { neutral: oneOf(0, 1), meaning: 'scaled embeddings' },
  attn_logit_softcapping: { neutral: off, meaning: 'capped attention' },
  final_logit_softcapping: { neutral: off, meaning: 'capped log-odds' },
  use_parallel_residual: { neutral: off, meaning: 'parallel residuals' },
  embedding_length_out: {
    neutral: (value, shape, arch) => off(value, shape, arch) || numberOf(value) === shape.width,
    meaning: 'an output of another width',
  },
  hidden_activation: { neutral: isActivation, meaning: 'another activation' },
  hidden_act: { neutral: isActivation, meaning: 'another activation' },
  // not told is -1, or that as an unsigned number
  pooling_type: {
    neutral: oneOf(0, -1, 2 ** 32 - 1),
    meaning: 'a model for embeddings or ranking, not for text',
  },
};

/**
 * What else under an architecture's name cannot be but numbers we don't follow, known today or
 * not.
 */
const suspicious =
  /^(attention|rope|expert|moe|ssm|wkv|shortconv|hyper_connection|classifier|decoder|deepstack|nextn|dense)|(scale|scaling|softcap\w*|clamp\w*|alpha|beta|multiplier|temperature\w*|norm|bias|window\w*|activation|experts?|interval|layers)$/;

/** Throws UnsupportedError for a key of the architecture that would change the model's numbers. */
export function refuseWhatChanges(
  metadata: Metadata,
  architecture: Architecture,
  shape: Shape,
  file: string,
): void {
  const { name: arch, keys } = architecture;
  for (const name of Object.keys(metadata)) {
    if (!name.startsWith(`${arch}.`)) continue;
    const value = metadata[name];
    const key = name.slice(arch.length + 1);
    if (harmless.has(key) || keys.includes(key)) continue;
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    const neutral = rule
      ? rule.neutral(value, shape, architecture)
      : off(value, shape, architecture) || !suspicious.test(key);
    if (neutral) continue;
    const meaning = rule ? ` (${rule.meaning})` : '';
    throw new UnsupportedError(
      `${file}: metadata '${name.slice(0, 80)}' is ${show(value)}${meaning}, which we do not ` +
        `follow; ` +
        `answers would differ from the model's: choose a plain ${arch} model`,
    );
  }
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'string' ? `'${value.slice(0, 80)}'` : String(value);
}
