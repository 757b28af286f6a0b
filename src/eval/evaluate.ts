// Policies measured on conversations: every question is asked independently of the others,
// greedily, and compared with its answer.
import type { OnKept } from '../engine/stage.ts';
import type { Model } from '../engine/model.ts';
import { findPolicy } from '../policy/registry.ts';
import { type AddProgress, openConversation } from '../session/conversation.ts';
import { Framing } from '../session/framing.ts';
import type { ConversationOptions } from '../session/options.ts';
import { bootstrapMean, type Interval } from './bootstrap.ts';
import type { Dialogue } from './datasets/dataset.ts';
import { EvidenceTrace, type Explanation, type Span } from './explain.ts';
import { exactMatch, tokenF1 } from './metrics.ts';

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

export interface Answer {
  readonly conversation: string;
  readonly question: string;
  readonly expected: string;
  readonly answer: string;
  readonly correct: boolean;
  readonly f1: number;
  readonly topic?: string;
  /** Tokens between the end of the evidence and the end of the conversation, as a share of it. */
  readonly distance?: number;
  readonly firstTokenMs: number;
  readonly episode?: number;
  readonly recalledTokens: number;
  /** Where the evidence was kept and lost; undefined where nothing was evicted. */
  readonly evidence?: Explanation;
}

/** What one conversation under a setup and a setup's whole result both tell. */
export interface Measured {
  readonly policy: string;
  /** Rows kept per kv head; the mean over conversations where the budget is a share. */
  readonly budget: number;
  readonly block: number;
  readonly heads: string;
  readonly layers: string;
  readonly cacheType: string;
  /** Rows of the budget that are reserved for recall. */
  readonly recall: number;
  readonly tokens: number;
  readonly peakCacheBytes: number;
  readonly promisedBytes: number;
  readonly peakBytes: number;
  readonly prefillMs: number;
  readonly answers: readonly Answer[];
}

/** One conversation under one setup. */
export interface DialogueResult extends Measured {
  readonly prefillTokens: number;
  readonly decodeMs: number;
  readonly decodeTokens: number;
}

export interface EvalResult extends Measured {
  readonly questions: number;
  /** Share of answers that equal the expected one after trimming. */
  readonly accuracy: number;
  readonly interval: Interval;
  readonly f1: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** Median over questions. */
  readonly firstTokenMs: number;
  /**
   * Accuracy by topic, and by the distance of the evidence in quarters of the conversation (0: the
   * newest).
   */
  readonly byTopic: Readonly<Record<string, Share>>;
  readonly byDistance: Readonly<Record<string, Share>>;
}

export interface Share {
  readonly questions: number;
  readonly accuracy: number;
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
const QUARTERS = 4;

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
  const budget =
    setup.policy === 'full'
      ? tokens
      : 'tokens' in setup.budget
        ? setup.budget.tokens
        : Math.max(1, Math.floor(tokens * setup.budget.share));
  const conversation = openConversation(model, {
    ...setup.options,
    policy: findPolicy(setup.policy),
    budget,
  });
  try {
    hooks.onConversation?.(index, conversation.memory);
    const lines = dialogue.turns.map((t) => t.line);
    const [opening] = new Framing(model.chatTemplate, model.tokenizer.bosText).around();
    const turns = turnSpans(lengths, model.tokenizer.encode(opening).length);
    const trace = new EvidenceTrace(
      dialogue.questions.map(({ evidence }) => evidence.map((e) => turns[e])),
    );
    const listen = hooks.onKept?.(index);
    conversation.onKept = (layer, kept) => {
      trace.onKept(layer, kept);
      listen?.(layer, kept);
    };
    const watch = {
      signal: hooks.signal,
      onProgress: (p: AddProgress) => {
        trace.onBlock(p.seenTokens, p.episode);
        hooks.onBlock?.(index, p.seenTokens, p.cacheBytes);
      },
    };
    const part = Math.ceil(lines.length / (setup.parts ?? 1));
    const ask = (question: string) =>
      conversation.ask(question, { ...watch, keep: false, maxTokens: REPLY_TOKENS }).text();
    for (let at = 0; at < lines.length; at += part) {
      await conversation.add(lines.slice(at, at + part), watch);
      const early = dialogue.questions.find((q) => q.evidence.every((e) => e < at + part));
      if (at + part < lines.length && early) await ask(early.question);
    }
    await conversation.flush(watch);
    const answers: Answer[] = [];
    for (const [
      q,
      { question, answer: expected, topic, evidence },
    ] of dialogue.questions.entries()) {
      const answer = await ask(question);
      const { episode, firstTokenMs, recalledTokens } = conversation.statistics;
      const last = Math.max(...evidence.map((e) => turns[e][1]));
      answers.push({
        conversation: dialogue.id,
        question,
        expected,
        answer: answer.trim(),
        correct: exactMatch(answer, expected),
        f1: tokenF1(answer, expected),
        topic,
        ...(evidence.length > 0 && {
          distance: Math.max(0, 1 - last / turns[turns.length - 1][1]),
        }),
        firstTokenMs,
        episode,
        recalledTokens,
        evidence: trace.explain(q, episode ?? 0),
      });
      hooks.onProgress?.(answers.length, dialogue.questions.length);
    }
    const { statistics, memory, plan } = conversation;
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
  } finally {
    conversation.dispose();
  }
}

/** Where each turn's tokens lie, behind the frame's opening. */
function turnSpans(lengths: readonly number[], opening: number): Span[] {
  let at = opening;
  return lengths.map((length) => [at, (at += length)]);
}

/** One result of the conversations of a setup. */
export function summarise(results: readonly DialogueResult[]): EvalResult {
  const answers = results.flatMap((r) => r.answers);
  const sum = (of: (r: DialogueResult) => number) => results.reduce((s, r) => s + of(r), 0);
  const most = (of: (r: DialogueResult) => number) => Math.max(...results.map(of));
  const rate = (tokens: number, ms: number) => (ms > 0 ? tokens / (ms / 1000) : 0);
  const right = answers.map((a) => (a.correct ? 1 : 0));
  const { policy, block, heads, layers, cacheType } = results[0];
  const times = answers.map((a) => a.firstTokenMs).sort((a, b) => a - b);
  return {
    policy,
    budget: Math.round(sum((r) => r.budget) / results.length),
    block,
    heads,
    layers,
    cacheType,
    recall: most((r) => r.recall),
    questions: answers.length,
    accuracy: right.reduce((a: number, b) => a + b, 0) / answers.length,
    interval: bootstrapMean(right),
    f1: answers.reduce((s, a) => s + a.f1, 0) / answers.length,
    tokens: sum((r) => r.tokens),
    peakCacheBytes: most((r) => r.peakCacheBytes),
    promisedBytes: most((r) => r.promisedBytes),
    peakBytes: most((r) => r.peakBytes),
    prefillMs: sum((r) => r.prefillMs),
    prefillTokensPerSecond: rate(
      sum((r) => r.prefillTokens),
      sum((r) => r.prefillMs),
    ),
    decodeTokensPerSecond: rate(
      sum((r) => r.decodeTokens),
      sum((r) => r.decodeMs),
    ),
    firstTokenMs: times[times.length >> 1],
    byTopic: shares(answers, (a) => a.topic),
    byDistance: shares(answers, (a) =>
      a.distance === undefined
        ? undefined
        : String(Math.min(QUARTERS - 1, Math.floor(a.distance * QUARTERS))),
    ),
    answers,
  };
}

function shares(
  answers: readonly Answer[],
  of: (a: Answer) => string | undefined,
): Record<string, Share> {
  const groups = new Map<string, Answer[]>();
  for (const answer of answers) {
    const key = of(answer);
    if (key === undefined) continue;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key)!.push(answer);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    sorted.map(([key, own]) => [
      key,
      { questions: own.length, accuracy: own.filter((a) => a.correct).length / own.length },
    ]),
  );
}
