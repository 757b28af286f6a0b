// A conversation's options: read, checked and defaulted here and nowhere else.
import {
  describeValue,
  filledText,
  finiteNumbers,
  knownNames,
  namesOf,
  oneOf,
  optional,
  text,
  whole,
  within,
} from '../arguments.ts';
import { type Budget, parseBudget } from '../cache/budget.ts';
import {
  isQuantized,
  MOST_VALUE_COLUMNS,
  QUANTIZED_MULTIPLE,
  type RowType,
  rowTypeNames,
} from '../backend/dtype.ts';
import type { PlanOptions } from '../engine/plan.ts';
import type { EmbedderOption } from '../episode/embedders.ts';
import { type EpisodeOptions, MOST_AUTO_EPISODES } from '../episode/episodes.ts';
import { BudgetError, OptionError } from '../errors.ts';
import type { Model } from '../engine/model.ts';
import {
  headSharings,
  type LayerSharing,
  layerSharings,
  type Policy,
  readPolicy,
} from '../policy/policy.ts';
import { type Axes, axisNames, composePolicy } from '../policy/compose.ts';
import { findPolicy, type PolicyName } from '../policy/registry.ts';
import { Framing } from './framing.ts';

export interface ConversationOptions extends Axes {
  /**
   * Bytes for all that the conversation holds ('64MB': cache at its fullest, scratch, stored
   * episodes), or tokens kept per kv head (512).
   */
  readonly budget: number | string;
  /** Tokens forwarded, and evicted after, at a time. Default 256. */
  readonly blockSize?: number;
  /**
   * What is kept: a name of the registry, or a policy of your own (definePolicy). Default
   * 'keydiff'. Its axes may be changed one by one (Axes).
   */
  readonly policy?: PolicyName | Policy;
  /**
   * 'uniform': each head keeps as many rows; 'adaptive': a layer's best rows, whatever their head.
   * Default: the policy's, mostly uniform.
   */
  readonly heads?: 'uniform' | 'adaptive';
  /**
   * 'uniform': each layer keeps as many rows; 'sensitivity': by `sensitivity`; 'pyramid': falling
   * with depth; 'global': the best rows of all layers. Default: the policy's, mostly uniform.
   */
  readonly layers?: LayerSharing;
  /** Similarity of each layer from profileModel(), wanted by layers 'sensitivity'. */
  readonly sensitivity?: readonly number[];
  /** How sharply sensitivity shares the budget. Default 1.1. */
  readonly alpha?: number;
  /** First tokens that are always kept, on top of the budget. Default 4 (attention sinks). */
  readonly sinks?: number;
  /**
   * Share of its uniform budget that each head keeps under 'adaptive'. Default: the policy's,
   * mostly 0.2.
   */
  readonly safeguard?: number;
  /**
   * Type of cached rows, resident and stored: 'f16' (default), 'f32', or of few bits: 'int8',
   * 'int4', 'int3', rotated, which hold 1.8 to 4.6 times the rows of f16 in the same bytes;
   * 'kivi-int8', 'kivi-int4', 'kivi-int3', rounded by channel in groups of rows; 'kivi-mixed4' ..
   * 'kivi-mixed2.5', with so many bits on average over channels (docs/memory.md). Rows of few bits
   * need head dimensions that are multiples of 8.
   */
  readonly cacheType?: RowType;
  /**
   * 'original', 'compact' (kept keys re-rotated to be contiguous), or 'auto' (default): compact
   * once the context length is reached.
   */
  readonly positions?: 'original' | 'compact' | 'auto';
  /**
   * Longest patched prompt in tokens. Default: a block and its instruction for kvzip, 1024 for
   * epicache.
   */
  readonly promptTokens?: number;
  /**
   * Instructions of patched prompts; true = the papers' texts, false = none. Default: none for
   * models too small to follow any.
   */
  readonly instructions?: boolean | Partial<Instructions>;
  /** A number of clusters, 'auto', or all about them. */
  readonly episodes?: number | 'auto' | EpisodeSettings;
  /**
   * Rows per kv head, out of the budget (at most half of it), into which the text that a question
   * needs is forwarded again where its rows were evicted. The session then keeps its token ids and
   * text. Default 0: off.
   */
  readonly recall?: number;
  /** Tools that the model may call, as its chat template wants them (JSON schemas as a rule). */
  readonly tools?: readonly unknown[];
  /** Further names that the chat template may read, such as enable_thinking or documents. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  /** For clustering and the random policy. Default 0. */
  readonly seed?: number;
}

export interface EpisodeSettings {
  /** Clusters; 'auto' chooses how many, up to 8. Default 4. */
  readonly count?: number | 'auto';
  /** Segments whose text stands for an episode. Default 4. */
  readonly medoids?: number;
  /** Utterances to a segment. Default 4. */
  readonly segmentTurns?: number;
  /** Runs of k-means, the best of which counts. Default 10. */
  readonly restarts?: number;
  /** 'lexical' (default), 'model', or a function from texts to vectors. */
  readonly embedder?: EmbedderOption;
  /** Folder for the caches that are not resident. Default: memory, counted in the budget. */
  readonly store?: string;
  /**
   * How many episodes a question is answered from, under the same budget. Default 2; 'auto': two
   * where the second best is nearly as good.
   */
  readonly answerFrom?: 1 | 2 | 'auto';
}

export interface Instructions {
  readonly repeat: string;
  readonly summary: string;
  readonly episode: string;
}

/**
 * The papers' wording (KVzip, InfiniPot); EpiCache's by its description: speakers, personas, events
 * and dates, details, commitments, opinions, relationships.
 */
const paperInstructions: Instructions = {
  repeat: '\n\nRepeat the part of the previous context exactly.',
  summary: '\n\nSummarize the previous context highlighting the most important parts.',
  episode:
    '\n\nExtract the essentials of the previous conversation: speakers and their personas, ' +
    'events with dates, personal details, commitments, opinions and relationships.',
};
const noInstructions: Instructions = { repeat: '', summary: '', episode: '' };

/**
 * Models smaller than this follow no instructions: the smallest published ones that do have 135
 * million parameters, 70 MB at 4 bits.
 */
const INSTRUCTABLE_BYTES = 50_000_000;

const DEFAULT_BLOCK = 256;
const DEFAULT_SINKS = 4;
const DEFAULT_EPISODE_PROMPT = 1024;
const MAX_BLOCK = 1 << 16;
/** Seeds are the 32 bits of a whole number, with a sign or without. */
const LEAST_SEED = -(2 ** 31);
const MOST_SEED = 2 ** 32 - 1;

export interface Settings {
  readonly plan: PlanOptions;
  readonly episodes: EpisodeOptions & {
    readonly embedder: EmbedderOption;
    readonly segmentTurns: number;
    readonly store?: string;
  };
  readonly instructions: Instructions;
  readonly framing: Framing;
}

const ownNames = namesOf<Omit<ConversationOptions, keyof Axes>>({
  budget: true,
  blockSize: true,
  policy: true,
  heads: true,
  layers: true,
  sensitivity: true,
  alpha: true,
  sinks: true,
  safeguard: true,
  cacheType: true,
  positions: true,
  promptTokens: true,
  instructions: true,
  episodes: true,
  recall: true,
  tools: true,
  templateVariables: true,
  seed: true,
});
const optionNames = [...ownNames, ...axisNames];
const episodeNames = namesOf<EpisodeSettings>({
  count: true,
  medoids: true,
  segmentTurns: true,
  restarts: true,
  embedder: true,
  store: true,
  answerFrom: true,
});
const instructionNames = namesOf<Instructions>({ repeat: true, summary: true, episode: true });

/**
 * Checks and completes options. Throws OptionError, or BudgetError for a budget that is no budget.
 */
export function readOptions(given: ConversationOptions, model: Model): Settings {
  const options = knownNames('openConversation', given, optionNames);
  if (options.budget === undefined)
    throw new OptionError("budget is missing: give bytes such as '64MB', or tokens such as 512");
  const { contextLength, layers } = model.config;
  const { observe: observer, window, aggregate, pool, value, stages } = options;
  const { policy: chosen = 'keydiff' } = options;
  const base = typeof chosen === 'string' ? findPolicy(chosen) : readPolicy(chosen);
  const policy = composePolicy(base, { observe: observer, window, aggregate, pool, value, stages });
  const { blockSize: block = Math.max(1, Math.min(DEFAULT_BLOCK, contextLength >> 1)) } = options;
  const {
    heads = policy.heads,
    layers: sharedBy = policy.layers,
    safeguard = policy.safeguard,
  } = options;
  const {
    alpha = 1.1,
    sinks = DEFAULT_SINKS,
    cacheType = 'f16',
    positions = 'auto',
    recall = 0,
    seed = 0,
  } = options;
  const budget: Budget = parseBudget(options.budget);
  const blockSize = whole('blockSize', block, 1, MAX_BLOCK);
  if (blockSize >= contextLength)
    throw new BudgetError(
      `blockSize ${blockSize} fills the model's context of ${contextLength}: lower it`,
    );
  const framing = new Framing(model.chatTemplate, model.tokenizer.bosText, readVariables(options));
  checkKernels(policy, blockSize, model);
  const instructions = readInstructions(options.instructions, model);
  const sharing = oneOf('layers', sharedBy, layerSharings);
  const sensitivity =
    options.sensitivity === undefined
      ? undefined
      : finiteNumbers('sensitivity', options.sensitivity);
  if (sensitivity && sensitivity.length !== layers)
    throw new OptionError(
      `sensitivity has ${sensitivity.length} numbers, the model has ${layers} layers: profile ` +
        `this model`,
    );
  if (sharing === 'sensitivity' && !sensitivity)
    throw new OptionError(
      "layers 'sensitivity' needs the model's profile: pass sensitivity: (await " +
        'profileModel(model, text)).similarity',
    );
  const { observe } = policy;
  const tokensOf = (instruction: string) =>
    model.tokenizer.encode(instruction + framing.opening()).length;
  // each only where a policy has it: the template is rendered for them
  const prompts = {
    repeat: () => blockSize + (instructions.repeat === '' ? 0 : tokensOf(instructions.repeat)),
    summary: () => Math.max(1, tokensOf(instructions.summary)),
    episode: () =>
      Math.min(DEFAULT_EPISODE_PROMPT, Math.max(blockSize, (contextLength >> 1) - blockSize)),
  };
  const { promptTokens: longest = observe.queries === 'patched' ? prompts[observe.prompt]() : 1 } =
    options;
  const promptTokens = whole('promptTokens', longest, 1, MAX_BLOCK);
  const episodes = readEpisodes(options.episodes);
  const episodic = observe.queries === 'patched' && observe.prompt === 'episode';
  const { count, store } = episodes;
  const episodeCaches = count === 'auto' ? MOST_AUTO_EPISODES : count;
  const seeded = whole('seed', seed, LEAST_SEED, MOST_SEED);
  return {
    plan: {
      budget,
      blockSize,
      policy,
      heads: oneOf('heads', heads, headSharings),
      layers: sharing,
      sensitivity: sharing === 'sensitivity' ? sensitivity : undefined,
      alpha: within('alpha', alpha, 0, 100),
      sinks: Math.max(policy.protect.sinks, whole('sinks', sinks, 0, MAX_BLOCK)),
      safeguard: within('safeguard', safeguard, 0, 1),
      rowType: readRowType(oneOf('cacheType', cacheType, rowTypeNames), model),
      positions: oneOf('positions', positions, ['auto', 'original', 'compact']),
      promptTokens: observe.queries === 'patched' ? promptTokens : 0,
      recallRows: whole('recall', recall, 0, MAX_BLOCK),
      storedCaches: episodic && store === undefined ? episodeCaches : 0,
      seed: seeded,
    },
    episodes: { ...episodes, seed: seeded },
    instructions,
    framing,
  };
}

function readEpisodes(option: ConversationOptions['episodes']): Omit<Settings['episodes'], 'seed'> {
  const given: unknown = option;
  if (
    given !== undefined &&
    given !== 'auto' &&
    typeof given !== 'number' &&
    (typeof given !== 'object' || given === null)
  )
    throw new OptionError(
      `episodes is ${describeValue(given)}, expected a number, 'auto' or an object`,
    );
  const settings: EpisodeSettings = typeof option === 'object' ? option : { count: option };
  const {
    count = 4,
    medoids = 4,
    segmentTurns = 4,
    restarts = 10,
    answerFrom = 2,
    embedder = 'lexical',
    store,
  } = knownNames('episodes', settings, episodeNames);
  if (embedder !== 'lexical' && embedder !== 'model' && typeof embedder !== 'function')
    throw new OptionError(
      `episodes: no embedder ${describeValue(embedder)}; there are lexical, model, or a ` +
        `function from texts to vectors`,
    );
  return {
    count: count === 'auto' ? 'auto' : whole('episodes.count', count, 1, 1024),
    medoids: whole('episodes.medoids', medoids, 1, 1024),
    segmentTurns: whole('episodes.segmentTurns', segmentTurns, 1, 1024),
    restarts: whole('episodes.restarts', restarts, 1, 1000),
    answerFrom: oneOf('episodes.answerFrom', answerFrom, [1, 2, 'auto'] as const),
    embedder,
    store: optional(filledText, 'episodes.store', store),
  };
}

/**
 * Most numbers of the queries that one kv head's rows are rated by, and those of a block are as
 * many at most: scratch sizes of assembly/ (observe_scratch, defensive_scratch, expect_scratch) are
 * i32 bytes, and must have room beside them for tiles of keys.
 */
const MOST_OBSERVER_NUMBERS = 2 ** 28;
/** What is kept of a query beside its numbers: its peak, its mass, how it is scaled. */
const ASIDE = 4;

/** What depends on the model: whether the kernels can do what options and policy ask for. */
function checkKernels(policy: Policy, blockSize: number, { config }: Model): void {
  const { queryHeads, kvHeads, headDim } = config;
  const numbers = blockSize * (queryHeads / kvHeads) * (headDim + ASIDE);
  if (numbers > MOST_OBSERVER_NUMBERS) {
    const most = Math.floor((MOST_OBSERVER_NUMBERS / numbers) * blockSize);
    throw new OptionError(
      `blockSize ${blockSize} is too much for ${queryHeads / kvHeads} query heads of ${headDim} ` +
        `to a kv head: lower it to ${most} or less`,
    );
  }
  if (policy.value === 'projected' && headDim > MOST_VALUE_COLUMNS) {
    throw new OptionError(
      `policy '${policy.name}' weighs rows by their values, which heads of ${headDim} are too ` +
        `wide for (at most ${MOST_VALUE_COLUMNS}): ` +
        "choose a policy without a value term, or value: 'none'",
    );
  }
}

function readVariables({
  tools,
  templateVariables = {},
}: ConversationOptions): Record<string, unknown> {
  if (tools !== undefined && !Array.isArray(tools))
    throw new OptionError(`tools is ${describeValue(tools)}, expected an array of tools`);
  if (
    templateVariables === null ||
    typeof templateVariables !== 'object' ||
    Array.isArray(templateVariables)
  )
    throw new OptionError(
      `templateVariables is ${describeValue(templateVariables)}, expected an object such as { ` +
        `enable_thinking: false }`,
    );
  return { ...templateVariables, ...(tools && { tools }) };
}

function readRowType(type: RowType, { config }: Model): RowType {
  if (isQuantized(type) && config.headDim % QUANTIZED_MULTIPLE !== 0)
    throw new OptionError(
      `cacheType '${type}' needs a head dimension that is a multiple of ${QUANTIZED_MULTIPLE}, ` +
        `this model's is ${config.headDim}: use f16`,
    );
  return type;
}

function readInstructions(option: ConversationOptions['instructions'], model: Model): Instructions {
  if (option === undefined)
    return model.bytes < INSTRUCTABLE_BYTES ? noInstructions : paperInstructions;
  if (typeof option === 'boolean') return option ? paperInstructions : noInstructions;
  const given = knownNames('instructions', option, instructionNames);
  for (const name of instructionNames) optional(text, `instructions.${name}`, given[name]);
  return { ...noInstructions, ...given };
}
