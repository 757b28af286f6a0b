// What the conversations of a setup come to: one result of all of them.
import { bootstrapMean } from './bootstrap.ts';
import type { Answer, DialogueResult, EvalResult, Share } from './results.ts';

const QUARTERS = 4;

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
