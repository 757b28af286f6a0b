// What a chat tells of its memory and speed.
import { cacheRowBytes, layerShapes } from '../../backend/cache-shape.ts';
import { formatBytes } from '../../math/format.ts';
import { sum } from '../../math/sum.ts';
import type { Conversation } from '../../session/conversation.ts';
import type { Chat } from './chat.ts';

export const rateOf = (tokens: number, ms: number) =>
  ms > 0 && tokens > 0 ? `${(tokens / (ms / 1000)).toFixed(1)} tokens/s` : 'none yet';

export function describe({ memory, statistics }: Conversation): string {
  return (
    `${formatBytes(memory.promisedBytes)} promised, ${statistics.budgetRows} tokens kept a ` +
    `head by ${statistics.policy}`
  );
}

/** What /memory shows. */
export function memoryOf({ conversation, setup, seed }: Chat): string {
  const { memory, plan, statistics } = conversation;
  // (of the average layer)
  const layers = layerShapes(plan.shape).map(
    ({ kvHeads, headDim }) => kvHeads * cacheRowBytes(headDim, plan.shape.rowType),
  );
  const rows = memory.cacheBytes / Math.max(1, sum(layers));
  const lines: [string, string][] = [
    ['policy', `${statistics.policy}, ${plan.heads} heads, blocks of ${plan.blockSize} tokens`],
    ['budget', `${setup.budget}: ${statistics.budgetRows} tokens kept a head`],
    ['promised', `${formatBytes(memory.promisedBytes)}, reserved since the chat began`],
    ['in use', `${formatBytes(memory.peakBytes)} at most so far`],
    [
      'cache',
      `${formatBytes(memory.cacheBytes)} now, ${formatBytes(memory.peakCacheBytes)} at most so far`,
    ],
    ['rows', `${Math.round(rows)} cached a head now, of type ${plan.rowType}`],
    ['tokens', `${statistics.tokens} in the conversation`],
  ];
  if (memory.storedBytes > 0)
    lines.push(['episodes', `${formatBytes(memory.storedBytes)} stored in memory`]);
  if (memory.historyBytes > 0)
    lines.push([
      'history',
      `${formatBytes(memory.historyBytes)} of text, beside the promise; it grows`,
    ]);
  lines.push(['seed', seed === undefined ? 'none: replies are greedy (--temperature)' : `${seed}`]);
  return lines.map(([name, what]) => `${name.padEnd(8)}  ${what}`).join('\n');
}

/** What /stats shows. */
export function statisticsOf({ memory, statistics }: Conversation): string {
  return [
    `${statistics.tokens} tokens so far, ${formatBytes(memory.cacheBytes)} of cache, ` +
      `${statistics.budgetRows} tokens kept a head`,
    `memory: ${formatBytes(memory.peakBytes)} at most so far, ` +
      `${formatBytes(memory.promisedBytes)} promised`,
    `reading ${rateOf(statistics.prefillTokens, statistics.prefillMs)}, replying ` +
      `${rateOf(statistics.decodeTokens, statistics.decodeMs)}`,
  ].join('\n');
}
