// What a conversation's options mean for a model: defaults that depend on it, and what it cannot
// do.
import { isGrouped, isQuantized } from '../backend/dtype.ts';
import { parseBudget } from '../cache/budget.ts';
import type { Model } from '../engine/model.ts';
import type { PlanOptions } from '../engine/plan-options.ts';
import type { EmbedderOption } from '../episode/embedders.ts';
import { type EpisodeOptions, MOST_AUTO_EPISODES } from '../episode/episodes.ts';
import { BudgetError, OptionError } from '../errors.ts';
import { settle, type Settled } from '../options/table.ts';
import { composePolicy } from '../policy/compose.ts';
import { readPolicy } from '../policy/define.ts';
import type { Policy } from '../policy/policy.ts';
import { attentionIn, rowsIn } from '../model/blocks/registry.ts';
import { findPolicy } from '../policy/registry.ts';
import { Framing } from './framing.ts';
import type { Instructions } from './option-kinds.ts';
import { type ConversationOptions, conversationTable, episodeTable } from './options.ts';

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
const DEFAULT_EPISODE_PROMPT = 1024;

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

type Options = Settled<typeof conversationTable>;
/** What the length of a patched prompt depends on. */
type Known = Pick<Settings, 'instructions' | 'framing'> & {
  readonly blockSize: number;
  readonly model: Model;
};

/**
 * Checks and completes options. Throws OptionError, or BudgetError for a budget that is no budget.
 */
export function readOptions(given: ConversationOptions, model: Model): Settings {
  const options = settle('openConversation', given, conversationTable);
  const policy = policyOf(options);
  const { contextLength } = model.config;
  const { blockSize = Math.max(1, Math.min(DEFAULT_BLOCK, contextLength >> 1)), seed } = options;
  if (blockSize >= contextLength)
    throw new BudgetError(
      `blockSize ${blockSize} fills the model's context of ${contextLength}: lower it`,
    );
  const { tools, templateVariables } = options;
  const framing = new Framing(model.chatTemplate, model.tokenizer.bosText, {
    ...templateVariables,
    ...(tools && { tools }),
  });
  checkKernels(policy, blockSize, model);
  const instructions = instructionsOf(options.instructions, model);
  const { heads = policy.heads, layers = policy.layers, safeguard = policy.safeguard } = options;
  const sensitivity = sensitivityOf(options, layers, model);
  const promptTokens = promptTokensOf(options, policy, { blockSize, instructions, framing, model });
  const episodes = settle(
    'episodes',
    typeof options.episodes === 'object' ? options.episodes : { count: options.episodes },
    episodeTable,
  );
  const { observe } = policy;
  const isEpisodic = observe.queries === 'patched' && observe.prompt === 'episode';
  const episodeCaches = episodes.count === 'auto' ? MOST_AUTO_EPISODES : episodes.count;
  checkRowType(options.cacheType, model);
  return {
    plan: {
      budget: parseBudget(options.budget),
      blockSize,
      policy,
      heads,
      layers,
      sensitivity,
      alpha: options.alpha,
      sinks: Math.max(policy.protect.sinks, options.sinks),
      safeguard,
      rowType: options.cacheType,
      positions: options.positions,
      promptTokens,
      recallRows: options.recall,
      storedCaches: isEpisodic && episodes.store === undefined ? episodeCaches : 0,
      seed,
    },
    episodes: { ...episodes, seed },
    instructions,
    framing,
  };
}

function policyOf({ policy, observe, window, aggregate, pool, value, stages }: Options): Policy {
  const base = typeof policy === 'string' ? findPolicy(policy) : readPolicy(policy);
  return composePolicy(base, { observe, window, aggregate, pool, value, stages });
}

/** Tokens of the longest patched prompt: 0 where the policy has none. */
function promptTokensOf(options: Options, { observe }: Policy, known: Known): number {
  if (observe.queries !== 'patched') return 0;
  const tokens = options.promptTokens ?? longestPrompt(observe.prompt, known);
  return conversationTable.promptTokens.kind.check('promptTokens', tokens);
}

function longestPrompt(
  prompt: keyof Instructions,
  { blockSize, instructions, framing, model }: Known,
): number {
  const instructionTokens = () =>
    model.tokenizer.encode(instructions[prompt] + framing.opening()).length;
  switch (prompt) {
    case 'repeat':
      return blockSize + (instructions.repeat === '' ? 0 : instructionTokens());
    case 'summary':
      return Math.max(1, instructionTokens());
    case 'episode': {
      const half = model.config.contextLength >> 1;
      return Math.min(DEFAULT_EPISODE_PROMPT, Math.max(blockSize, half - blockSize));
    }
  }
}

function sensitivityOf(
  { sensitivity }: Options,
  sharing: Policy['layers'],
  { config }: Model,
): readonly number[] | undefined {
  if (sensitivity && sensitivity.length !== config.layers)
    throw new OptionError(
      `sensitivity has ${sensitivity.length} numbers, the model has ${config.layers} layers: ` +
        `profile this model`,
    );
  if (sharing !== 'sensitivity') return undefined;
  if (sensitivity) return sensitivity;
  throw new OptionError(
    "layers 'sensitivity' needs the model's profile: pass sensitivity: (await " +
      'profileModel(model, text)).similarity',
  );
}

/** What is kept of a query beside its numbers: its peak, its mass, how it is scaled. */
const ASIDE = 4;

/** What depends on the model: whether the kernels can do what options and policy ask for. */
function checkKernels(policy: Policy, blockSize: number, { config, backend }: Model): void {
  const { observerNumbers, valueColumns } = backend.limits;
  for (const layer of config.layerSpecs) {
    const own = attentionIn(layer);
    // (rows of a window are kept whatever they are worth)
    if (!own || own.window !== undefined) continue;
    const { queryHeads, kvHeads, headDim } = own;
    const numbers = blockSize * (queryHeads / kvHeads) * (headDim + ASIDE);
    if (numbers > observerNumbers) {
      const most = Math.floor((observerNumbers / numbers) * blockSize);
      throw new OptionError(
        `blockSize ${blockSize} is too much for ${queryHeads / kvHeads} query heads of ` +
          `${headDim} to a kv head: lower it to ${most} or less`,
      );
    }
    if (policy.value === 'projected' && headDim > valueColumns) {
      throw new OptionError(
        `policy '${policy.name}' weighs rows by their values, which heads of ${headDim} are too ` +
          `wide for (at most ${valueColumns}): ` +
          "choose a policy without a value term, or value: 'none'",
      );
    }
  }
}

function checkRowType(type: PlanOptions['rowType'], { config, backend }: Model): void {
  const rows = config.layerSpecs.map(rowsIn).filter(({ kvHeads }) => kvHeads > 0);
  for (const headDim of new Set(rows.map((own) => own.headDim))) checkHeads(type, headDim, backend);
}

/** Whether heads of so many dimensions can be cached as rows of a type. */
function checkHeads(
  type: PlanOptions['rowType'],
  headDim: number,
  { supportsRows, limits, name }: Model['backend'],
): void {
  if (supportsRows(type, headDim)) return;
  if (headDim > limits.headDim)
    throw new OptionError(
      `device '${name}' caches heads of ${limits.headDim} dimensions at most, this model's have ` +
        `${headDim}: use device: 'wasm'`,
    );
  if (isGrouped(type) && !limits.groupsRows)
    throw new OptionError(
      `cacheType '${type}' shares grids between keys, which device '${name}' cannot: use int8, ` +
        "int4 or int3, whose rows stand alone, or device: 'wasm'",
    );
  if (!isQuantized(type))
    throw new OptionError(
      `cacheType '${type}' needs an even head dimension on device '${name}', this model's is ` +
        `${headDim}: use f32`,
    );
  throw new OptionError(
    `cacheType '${type}' needs a head dimension that is a multiple of ` +
      `${limits.quantizedMultiple}, this model's is ${headDim}: use f16`,
  );
}

function instructionsOf(option: Options['instructions'], model: Model): Instructions {
  if (option === undefined)
    return model.bytes < INSTRUCTABLE_BYTES ? noInstructions : paperInstructions;
  if (typeof option === 'boolean') return option ? paperInstructions : noInstructions;
  return { ...noInstructions, ...option };
}
