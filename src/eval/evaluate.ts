// Policies measured on conversations: every question is asked independently of the others, greedily, and compared with its answer.
import type { OnKept } from '../engine/run.ts';
import type { Model } from '../model/model.ts';
import { type AddProgress, openConversation } from '../session/conversation.ts';
import type { ConversationOptions } from '../session/options.ts';
import type { Dialogue } from './datasets/dataset.ts';
import { exactMatch, tokenF1 } from './metrics.ts';

/** A budget of an evaluation: tokens, or a share of each conversation's length such as 1/8. */
export type EvalBudget = { readonly tokens: number } | { readonly share: number };

export interface EvalSetup {
  readonly policy: string;
  readonly budget: EvalBudget;
  readonly options: Omit<ConversationOptions, 'budget' | 'policy'>;
  /** The conversation is added in this many parts, with a question that doesn't count after each, so that what is made early has to follow. Default 1. */
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
  readonly episode?: number;
}

export interface EvalResult {
  readonly policy: string;
  /** Rows kept per kv head; the mean over conversations where the budget is a share. */
  readonly budget: number;
  readonly block: number;
  readonly heads: string;
  readonly layers: string;
  readonly questions: number;
  /** Share of answers that equal the expected one after trimming. */
  readonly accuracy: number;
  readonly f1: number;
  readonly tokens: number;
  readonly peakCacheBytes: number;
  readonly promisedBytes: number;
  readonly peakBytes: number;
  readonly prefillMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly answers: readonly Answer[];
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
  return dialogue.turns.reduce((sum, turn) => sum + model.tokenizer.encode(turn.line).length, 0);
}

export async function evaluate(model: Model, dialogues: readonly Dialogue[], setup: EvalSetup, hooks: EvalHooks = {}): Promise<EvalResult> {
  const answers: Answer[] = [];
  const total = dialogues.reduce((sum, d) => sum + d.questions.length, 0);
  const sums = { budget: 0, tokens: 0, prefillMs: 0, prefillTokens: 0, decodeMs: 0, decodeTokens: 0 };
  const most = { peakCacheBytes: 0, promisedBytes: 0, peakBytes: 0 };
  let block = 0;
  let policy = setup.policy;
  let sharing = { heads: 'uniform', layers: 'uniform' };
  for (const [index, dialogue] of dialogues.entries()) {
    const tokens = dialogueTokens(model, dialogue);
    const budget = setup.policy === 'full' ? tokens : 'tokens' in setup.budget ? setup.budget.tokens : Math.max(1, Math.floor(tokens * setup.budget.share));
    const conversation = openConversation(model, { ...setup.options, policy: setup.policy, budget });
    try {
      hooks.onConversation?.(index, conversation.memory);
      if (hooks.onKept) conversation.onKept = hooks.onKept(index);
      const watch = { signal: hooks.signal, onProgress: (p: AddProgress) => hooks.onBlock?.(index, p.seenTokens, p.cacheBytes) };
      const lines = dialogue.turns.map((t) => t.line);
      const part = Math.ceil(lines.length / (setup.parts ?? 1));
      for (let at = 0; at < lines.length; at += part) {
        await conversation.add(lines.slice(at, at + part), watch);
        const early = dialogue.questions.find((q) => q.evidence.every((e) => e < at + part));
        if (at + part < lines.length && early) await conversation.ask(early.question, { keep: false, maxTokens: REPLY_TOKENS, signal: hooks.signal }).text();
      }
      await conversation.flush(watch);
      for (const { question, answer: expected, topic } of dialogue.questions) {
        const answer = await conversation.ask(question, { keep: false, maxTokens: REPLY_TOKENS, signal: hooks.signal }).text();
        answers.push({
          conversation: dialogue.id,
          question,
          expected,
          answer: answer.trim(),
          correct: exactMatch(answer, expected),
          f1: tokenF1(answer, expected),
          topic,
          episode: conversation.statistics.episode,
        });
        hooks.onProgress?.(answers.length, total);
      }
      const { statistics, memory, plan } = conversation;
      block = plan.blockSize;
      sharing = { heads: plan.heads, layers: plan.layers };
      policy = plan.policy.name;
      sums.budget += plan.rows;
      sums.tokens += tokens;
      sums.prefillMs += statistics.prefillMs;
      sums.prefillTokens += statistics.prefillTokens;
      sums.decodeMs += statistics.decodeMs;
      sums.decodeTokens += statistics.decodeTokens;
      most.peakCacheBytes = Math.max(most.peakCacheBytes, memory.peakCacheBytes);
      most.promisedBytes = Math.max(most.promisedBytes, memory.promisedBytes);
      most.peakBytes = Math.max(most.peakBytes, memory.peakBytes);
    } finally {
      conversation.dispose();
    }
  }
  const mean = (of: (a: Answer) => number) => answers.reduce((sum, a) => sum + of(a), 0) / answers.length;
  return {
    policy,
    budget: Math.round(sums.budget / dialogues.length),
    block,
    ...sharing,
    questions: answers.length,
    accuracy: mean((a) => (a.correct ? 1 : 0)),
    f1: mean((a) => a.f1),
    tokens: sums.tokens,
    ...most,
    prefillMs: sums.prefillMs,
    prefillTokensPerSecond: sums.prefillMs > 0 ? sums.prefillTokens / (sums.prefillMs / 1000) : 0,
    decodeTokensPerSecond: sums.decodeMs > 0 ? sums.decodeTokens / (sums.decodeMs / 1000) : 0,
    answers,
  };
}
