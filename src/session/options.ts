// The table of options: what openConversation() takes, and a list of all tables there are (those of
// loadModel() and of sampling stand with the engine, axes with policies). An option is a row; its
// type, its check, its command-line flag, --help and docs/cli.md follow from it
// (src/options/table.ts). What they mean for a model is settled in settings.ts.
import { describeValue } from '../arguments.ts';
import { rowTypeNames } from '../backend/dtype.ts';
import { loadTable } from '../engine/load-options.ts';
import { sampleTable } from '../engine/sampling/options.ts';
import { OptionError } from '../errors.ts';
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf, settle, type Table } from '../options/table.ts';
import { type Axes, axisTable } from '../policy/compose.ts';
import { headSharings, layerSharings } from '../policy/policy.ts';
import { addTable, replyTable } from './ask-options.ts';
import {
  budget,
  embedder,
  instructions,
  policy,
  seeds,
  similarities,
  tools,
  variables,
} from './option-kinds.ts';

/** Longest block, longest patched prompt, most sinks: none is of use beyond. */
const MAX_BLOCK = 1 << 16;
export const episodeTable = {
  /** Clusters; 'auto' chooses how many, up to 8. Default 4. */
  count: option(kinds.either(kinds.whole(1, 1024), 'auto'), {
    default: 4,
    flag: 'episodes E',
    summary: 'clusters of epicache; auto chooses how many',
  }),
  /** Segments whose text stands for an episode. Default 4. */
  medoids: option(kinds.whole(1, 1024), {
    default: 4,
    flag: 'medoids N',
    summary: 'segments that stand for an episode',
  }),
  /** Utterances to a segment. Default 4. */
  segmentTurns: option(kinds.whole(1, 1024), {
    default: 4,
    flag: 'segment TURNS',
    summary: 'turns to a segment',
  }),
  /** Runs of k-means, the best of which counts. Default 10. */
  restarts: option(kinds.whole(1, 1000), {
    default: 10,
    flag: 'restarts N',
    summary: 'runs of k-means, the best of which counts',
  }),
  /** 'lexical' (default), 'model', or a function from texts to vectors. Default 'lexical'. */
  embedder: option(embedder, {
    default: 'lexical',
    flag: 'embedder KIND',
    summary: "what makes vectors of segments; model: the mean of the model's input embeddings",
  }),
  /** Folder for the caches that are not resident. Default: memory, counted in the budget. */
  store: option(kinds.filledText, {
    otherwise: 'memory',
    flag: 'store DIR',
    summary: 'folder for episodes that are not resident',
  }),
  /**
   * How many episodes a question is answered from, under the same budget. 'auto': two where the
   * second best is nearly as good. Default 2.
   */
  answerFrom: option(kinds.oneOf([1, 2, 'auto']), {
    default: 2,
    flag: 'answer-from N',
    summary: 'episodes that answer; auto: two where the second best is nearly as good',
  }),
};

export interface EpisodeSettings extends OptionsOf<typeof episodeTable> {}

const episodes = kinds.custom<number | 'auto' | EpisodeSettings>(
  "a number, 'auto' or an object",
  (name, value) => {
    const isCount = value === 'auto' || typeof value === 'number';
    if (!isCount && (typeof value !== 'object' || value === null))
      throw new OptionError(
        `${name} is ${describeValue(value)}, expected a number, 'auto' or an object`,
      );
    return settle(name, isCount ? { count: value } : value, episodeTable, `${name}.`);
  },
);
const memoryTable = {
  /**
   * Bytes for all that the conversation holds ('64MB': cache at its fullest, scratch, stored
   * episodes), or tokens kept per kv head (512).
   */
  budget: option(budget, {
    isRequired: true,
    flag: 'budget B',
    summary: 'bytes for cache and working memory, or a number of tokens kept per kv head',
  }),
  /** Tokens forwarded, and evicted after, at a time. Default 256, or half of a shorter context. */
  blockSize: option(kinds.whole(1, MAX_BLOCK), {
    otherwise: '256, or half of a shorter context',
    flag: 'block N',
    summary: 'tokens forwarded, and evicted after, at a time',
  }),
  /**
   * What is kept: a name of the registry, or a policy of your own (definePolicy). Default
   * 'keydiff'. Its axes may be changed one by one (Axes).
   */
  policy: option(policy, {
    default: 'keydiff',
    flag: 'policy NAME',
    summary: 'what is kept, as docs/policies.md tells',
  }),
  /**
   * 'uniform': each head keeps as many rows; 'adaptive': a layer's best rows, whatever their head.
   * Default: the policy's, mostly uniform.
   */
  heads: option(kinds.oneOf(headSharings), {
    otherwise: "the policy's",
    flag: 'heads KIND',
    summary: "how heads share rows; adaptive: a layer's best rows, whatever their head",
  }),
  /**
   * 'uniform': each layer keeps as many rows; 'sensitivity': by `sensitivity`; 'pyramid': falling
   * with depth; 'global': the best rows of all layers. Default: the policy's, mostly uniform.
   */
  layers: option(kinds.oneOf(layerSharings), {
    otherwise: "the policy's",
    flag: 'layers KIND',
    summary:
      'how layers share rows; pyramid: falling with depth, global: the best of all layers and ' +
      "heads, sensitivity: by the model's profile",
  }),
  /** Similarity of each layer from profileModel(), wanted by layers 'sensitivity'. */
  sensitivity: option(similarities, { summary: "similarity of each layer, the model's profile" }),
  /** How sharply sensitivity shares the budget. Default 1.1. */
  alpha: option(kinds.number(0, 100), {
    default: 1.1,
    flag: 'alpha A',
    summary: 'how sharply sensitivity shares the budget',
  }),
  /** First tokens that are always kept, on top of the budget (attention sinks). Default 4. */
  sinks: option(kinds.whole(0, MAX_BLOCK), {
    default: 4,
    flag: 'sinks S',
    summary: 'first tokens that are always kept',
  }),
  /**
   * Share of its uniform budget that each head keeps under 'adaptive'. Default: the policy's,
   * mostly 0.2.
   */
  safeguard: option(kinds.number(0, 1), {
    otherwise: "the policy's",
    flag: 'safeguard F',
    summary: 'share of rows that each adaptive head keeps for certain',
  }),
  /**
   * Type of cached rows, resident and stored. Default 'f16'. 'f32', or of few bits: 'int8',
   * 'int4', 'int3', rotated, which hold 1.8 to 3.9 times the rows of f16 in the same bytes (heads
   * of 64); 'kivi-int8', 'kivi-int4', 'kivi-int3', rounded by channel in groups of rows;
   * 'kivi-mixed4' .. 'kivi-mixed2.5', with so many bits on average over channels (docs/memory.md).
   * Rows of few bits need head dimensions that are multiples of 8.
   */
  cacheType: option(kinds.oneOf(rowTypeNames), {
    default: 'f16',
    flag: 'cache-type T',
    summary: 'type of cached rows, as docs/memory.md tells',
  }),
  /**
   * 'original', 'compact' (kept keys re-rotated to be contiguous), or 'auto': compact once the
   * context length is reached. Default 'auto'.
   */
  positions: option(kinds.oneOf(['auto', 'original', 'compact']), {
    default: 'auto',
    flag: 'positions P',
    summary: 'where kept keys stand; auto: compact once the context length is reached',
  }),
  /**
   * Longest patched prompt in tokens. Default: a block and its instruction for kvzip, 1024 for
   * epicache.
   */
  promptTokens: option(kinds.whole(1, MAX_BLOCK), {
    otherwise: "by the policy's prompt",
    flag: 'prompt-tokens P',
    summary: 'longest patched prompt',
  }),
  /**
   * Instructions of patched prompts; true = the papers' texts, false = none. Default: none for
   * models too small to follow any.
   */
  instructions: option(instructions, {
    otherwise: 'none for models too small to follow any',
    flag: 'instructions',
    summary: "the papers' instruction texts in patched prompts",
  }),
  /** A number of clusters, 'auto', or all about them. */
  episodes: option(episodes, {
    summary: 'episodes of epicache: how many, or all about them',
  }),
  /**
   * Rows per kv head, out of the budget (at most half of it), into which the text that a question
   * needs is forwarded again where its rows were evicted. The session then keeps its token ids and
   * text. 0: off. Default 0.
   */
  recall: option(kinds.whole(0, MAX_BLOCK), {
    default: 0,
    flag: 'recall R',
    summary:
      'rows, out of the budget (at most half of it), into which text that a question needs is ' +
      'forwarded again',
  }),
  /** Tools that the model may call, as its chat template wants them (JSON schemas as a rule). */
  tools: option(tools, { summary: 'tools that the model may call, as its chat template has them' }),
  /** Further names that the chat template may read, such as enable_thinking or documents. */
  templateVariables: option(variables, {
    summary: 'further names that the chat template may read',
  }),
  /** For clustering and the random policy. Default 0. */
  seed: option(seeds, {
    default: 0,
    flag: 'seed N',
    summary: 'for clustering and the random policy',
  }),
};

export const conversationTable = { ...memoryTable, ...axisTable };

export interface ConversationOptions extends OptionsOf<typeof memoryTable>, Axes {}

/** A table, what it is about, and whose options they are. */
export interface OptionTable<T extends Table = Table> {
  readonly title: string;
  readonly takenBy: string;
  readonly table: T;
}

/** All options there are. */
export const optionTables = {
  load: { title: 'Machine', takenBy: 'loadModel()', table: loadTable },
  memory: { title: 'Memory', takenBy: 'openConversation()', table: memoryTable },
  axes: {
    title: 'Axes of a policy',
    takenBy: 'openConversation(), composePolicy()',
    table: axisTable,
  },
  episodes: {
    title: 'Episodes',
    takenBy: "openConversation()'s `episodes`",
    table: episodeTable,
  },
  replies: { title: 'Replies', takenBy: 'ask()', table: { ...replyTable, ...sampleTable } },
  calls: { title: 'Calls', takenBy: 'add(), flush(), ask()', table: addTable },
} satisfies Record<string, OptionTable>;
