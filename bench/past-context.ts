// Conversations far past the context of their model: windowed layers keep their window, recurrent
// ones their state, the others their budget. The bars: bytes stay what they were once all is full,
// time per block stays within 15%, and nothing exceeds the promise.
import { loadModel } from '../src/engine/model.ts';
import { openConversation } from '../src/session/conversation.ts';
import type { PolicyName } from '../src/policy/registry.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { tileWork } from './limit.ts';
import { shapeModel } from './shape-files.ts';
import { type Shape, smallShapes } from './shape-models.ts';

const BUDGET = 512;
const BLOCK = 256;
const LENGTH = 64 * 1024;
const BLOCKS = LENGTH / BLOCK;
/** Calls of the register tile that a block is timed beside: what neighbours slow down as well. */
const TILES = 100;

/** What a block found: its time, alone and beside the tile's, and bytes behind it. */
interface Found {
  readonly ms: number;
  /** Processor time, which neighbours take less of, over the tile's. */
  readonly beside: number;
  readonly cacheBytes: number;
  readonly rss: number;
}

function medianOf(found: readonly Found[], what: 'ms' | 'beside'): number {
  const sorted = found.map((each) => each[what]).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** A block of text: one token a letter, another text each time. */
const textOf = (block: number): string =>
  Array.from({ length: BLOCK }, (_, i) => {
    const at = block * BLOCK + i;
    return String.fromCharCode(97 + ((at * 7 + Math.floor(at / 26) * 5) % 19));
  }).join('');

const processorMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function converse(shape: Shape, policy: PolicyName): Promise<Measurement> {
  using model = await loadModel(shapeModel(shape), { threads: 1 });
  const options = { budget: BUDGET, blockSize: BLOCK, policy } as const;
  using conversation = openConversation(model, options);
  const tile = tileWork();
  const found: Found[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    const text = textOf(block);
    const [begin, own] = [performance.now(), processorMs()];
    await conversation.add(text);
    await conversation.flush();
    const [ms, behind] = [performance.now() - begin, processorMs()];
    for (let i = 0; i < TILES; i++) tile.run();
    const beside = (behind - own) / (processorMs() - behind);
    const { cacheBytes } = conversation.memory;
    found.push({ ms, beside, cacheBytes, rss: process.memoryUsage().rss });
  }
  const { peakBytes, promisedBytes, historyBytes } = conversation.memory;
  if (peakBytes > promisedBytes)
    throw new Error(`${shape.name}: ${peakBytes} bytes of ${promisedBytes} that were promised`);
  // (positions are made compact where the context ends: from there on blocks are alike)
  const full = found.slice(shape.contextLength / BLOCK);
  const quarter = full.length >> 2;
  const [first, last] = [full.slice(0, quarter), full.slice(-quarter)];
  const cached = full.map(({ cacheBytes }) => cacheBytes);
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  const slower = medianOf(last, 'beside') / medianOf(first, 'beside') - 1;
  return {
    name: `${shape.name}, ${policy}`,
    rate: medianOf(last, 'ms'),
    unit: 'ms',
    note:
      `first quarter ${medianOf(first, 'ms').toFixed(1)} ms, processor time beside the ` +
      `register tile's ${slower < 0 ? '' : '+'}${(100 * slower).toFixed(1)}%; cached ` +
      `${mib(Math.min(...cached))} to ${mib(Math.max(...cached))} MiB, peak ${mib(peakBytes)} of ` +
      `${mib(promisedBytes)} promised, process ${mib(first[0].rss)} to ${mib(last.at(-1)!.rss)} ` +
      `(text ${mib(historyBytes)})`,
  };
}

export const pastContext: BenchGroup = {
  name: 'past-context',
  summary:
    `conversations of ${LENGTH / 1024}k tokens, ${smallShapes[0].contextLength / 1024}k of ` +
    `context, ${BUDGET} rows a head, blocks of ${BLOCK}: median block of the last quarter`,
  async run(report) {
    for (const shape of smallShapes)
      for (const policy of ['keydiff', 'snapkv', 'kvzip'] as const)
        report(await converse(shape, policy));
  },
};
