// Policies measured on conversations: every question is asked independently of the others,
// greedily, and compared with its answer.
import { describeValue } from '../arguments.ts';
import { type Model, readModel } from '../engine/model.ts';
import type { OnKept } from '../engine/stage.ts';
import { OptionError } from '../errors.ts';
import { findPolicy } from '../policy/registry.ts';
import { type AddProgress, type Conversation, openConversation } from '../session/conversation.ts';
import { Framing } from '../session/framing.ts';
import type { ConversationOptions } from '../session/options.ts';
import type { Dialogue, Question } from './datasets/dataset.ts';
import { EvidenceTrace, type TokenRange } from './explain.ts';
import { exactMatch, tokenF1 } from './metrics.ts';
import type { Answer, DialogueResult, EvalResult } from './results.ts';
import { summarise } from './summary.ts';

/** A budget of an evaluation: tokens, or a share of each conversation's length such as 1/8. */
export type EvalBudget = { readonly tokens: number } | { readonly share: number };

export interface EvalSetup {
  readonly policy: string;
  readonly budget: EvalBudget;
  readonly options: Omit<ConversationOptions, 'budget' | 'policy'>;
  /**
   * The conversation is added in this many parts, with a question that doesn't count after each, so
   * that what is made early has to follow. Default 1.
   */
  readonly parts?: number;
}

export interface EvalHooks {
  readonly signal?: AbortSignal;
  /** Questions answered so far, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Cached bytes after each block of a conversation. */
  readonly onBlock?: (conversation: number, tokens: number, cacheBytes: number) => void;
  readonly onKept?: (conversation: number) => OnKept;
  readonly onConversation?: (conversation: number, memory: { promisedCacheBytes: number }) => void;
}

/** Answers in this format are a few words. */
const REPLY_TOKENS = 32;
/** Tokens of a dialogue's lines. */
export function dialogueTokens(model: Model, dialogue: Dialogue): number {
  return lineTokens(model, dialogue).reduce((a, b) => a + b, 0);
}

function lineTokens(model: Model, dialogue: Dialogue): number[] {
  return dialogue.turns.map((turn) => model.tokenizer.encode(turn.line).length);
}

/**
 * Measures one setup on conversations. Rejects with the signal's reason when aborted, and with what
 * openConversation() throws.
 */
export async function evaluate(
  model: Model,
  dialogues: readonly Dialogue[],
  setup: EvalSetup,
  hooks: EvalHooks = {},
): Promise<EvalResult> {
  const results: DialogueResult[] = [];
  readModel(model);
  if (!Array.isArray(dialogues) || dialogues.length === 0)
    throw new OptionError(
      `dialogues is ${describeValue(dialogues)}, expected what readDialogues() returns`,
    );
  const total = dialogues.reduce((sum, d) => sum + d.questions.length, 0);
  let before = 0;
  for (const [index, dialogue] of dialogues.entries()) {
    results.push(
      await evaluateDialogue(
        model,
        dialogue,
        setup,
        { ...hooks, onProgress: (done) => hooks.onProgress?.(before + done, total) },
        index,
      ),
    );
    before += dialogue.questions.length;
  }
  return summarise(results);
}

/** Measures one setup on one conversation. */
export async function evaluateDialogue(
  model: Model,
  dialogue: Dialogue,
  setup: EvalSetup,
  hooks: EvalHooks = {},
  index = 0,
): Promise<DialogueResult> {
  const lengths = lineTokens(model, dialogue);
  const tokens = lengths.reduce((a, b) => a + b, 0);
  const conversation = openConversation(model, {
    ...setup.options,
    policy: findPolicy(setup.policy),
    budget: budgetTokens(setup, tokens),
  });
  try {
    hooks.onConversation?.(index, conversation.memory);
    const [opening] = new Framing(model.chatTemplate, model.tokenizer.bosText).around();
    const turns = turnRanges(lengths, model.tokenizer.encode(opening).length);
    const trace = new EvidenceTrace(
      dialogue.questions.map(({ evidence }) => evidence.map((e) => turns[e])),
    );
    const listen = hooks.onKept?.(index);
    conversation.onKept = (layer, kept) => {
      trace.onKept(layer, kept);
      listen?.(layer, kept);
    };
    const watch: Watch = {
      signal: hooks.signal,
      onProgress: (p) => {
        trace.onBlock(p.seenTokens, p.episode);
        hooks.onBlock?.(index, p.seenTokens, p.cacheBytes);
      },
    };
    await takeIn(conversation, dialogue, setup.parts ?? 1, watch);
    const answers: Answer[] = [];
    for (const [q, question] of dialogue.questions.entries()) {
      const said = await ask(conversation, question.question, watch);
      const evidence = trace.explain(q, conversation.statistics.episode ?? 0);
      answers.push({
        conversation: dialogue.id,
        ...answerOf(question, said, turns, conversation),
        evidence,
      });
      hooks.onProgress?.(answers.length, dialogue.questions.length);
    }
    return resultOf(conversation, tokens, answers);
  } finally {
    conversation.dispose();
  }
}

/** What an evaluation hears of, and what ends it. */
interface Watch {
  readonly signal?: AbortSignal;
  readonly onProgress: (progress: AddProgress) => void;
}

function budgetTokens({ policy, budget }: EvalSetup, tokens: number): number {
  if (policy === 'full') return tokens;
  return 'tokens' in budget ? budget.tokens : Math.max(1, Math.floor(tokens * budget.share));
}

/** Adds a conversation in so many parts, with a question that doesn't count between two. */
async function takeIn(
  conversation: Conversation,
  { turns, questions }: Dialogue,
  parts: number,
  watch: Watch,
): Promise<void> {
  const lines = turns.map((t) => t.line);
  const part = Math.ceil(lines.length / parts);
  for (let at = 0; at < lines.length; at += part) {
    await conversation.add(lines.slice(at, at + part), watch);
    const early = questions.find((q) => q.evidence.every((e) => e < at + part));
    if (at + part < lines.length && early) await ask(conversation, early.question, watch);
  }
  await conversation.flush(watch);
}

const ask = (conversation: Conversation, question: string, watch: Watch): Promise<string> =>
  conversation.ask(question, { ...watch, keep: false, maxTokens: REPLY_TOKENS }).text();

/** Where each turn's tokens lie, behind the frame's opening. */
function turnRanges(lengths: readonly number[], opening: number): TokenRange[] {
  let at = opening;
  return lengths.map((length) => [at, (at += length)]);
}

/** A reply, held against the right answer. */
function answerOf(
  { question, answer: expected, topic, evidence }: Question,
  said: string,
  turns: readonly TokenRange[],
  { statistics }: Conversation,
): Omit<Answer, 'conversation' | 'evidence'> {
  const last = Math.max(...evidence.map((e) => turns[e][1]));
  return {
    question,
    expected,
    answer: said.trim(),
    correct: exactMatch(said, expected),
    f1: tokenF1(said, expected),
    topic,
    ...(evidence.length > 0 && {
      distance: Math.max(0, 1 - last / turns[turns.length - 1][1]),
    }),
    firstTokenMs: statistics.firstTokenMs,
    episode: statistics.episode,
    recalledTokens: statistics.recalledTokens,
  };
}

function resultOf(
  { statistics, memory, plan }: Conversation,
  tokens: number,
  answers: readonly Answer[],
): DialogueResult {
  return {
    policy: plan.policy.name,
    budget: plan.rows,
    block: plan.blockSize,
    heads: plan.heads,
    layers: plan.layers,
    cacheType: plan.rowType,
    recall: plan.recallRows,
    tokens,
    peakCacheBytes: memory.peakCacheBytes,
    promisedBytes: memory.promisedBytes,
    peakBytes: memory.peakBytes,
    prefillMs: statistics.prefillMs,
    prefillTokens: statistics.prefillTokens,
    decodeMs: statistics.decodeMs,
    decodeTokens: statistics.decodeTokens,
    answers,
  };
}
