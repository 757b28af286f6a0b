// What a conversation tells of itself: memory, speed, episodes. Everything is read off its parts as
// they are now.
import type { Backend } from '../backend/backend.ts';
import type { Rounding } from '../backend/rounding.ts';
import type { Plan } from '../engine/plan.ts';
import type { Episode } from '../episode/episodes.ts';
import type { Segment } from '../episode/segment.ts';
import type { CacheReport } from '../model/source.ts';
import type { Parts } from './parts.ts';

export interface MemoryReport {
  /**
   * Bytes reserved for good when the conversation opened: cache at its fullest, scratch, logits,
   * stored episodes in memory.
   */
  readonly promisedBytes: number;
  /** Most of them that were ever in use at once; never more than promised. */
  readonly peakBytes: number;
  readonly promisedCacheBytes: number;
  readonly peakCacheBytes: number;
  /** Of all of that, what is on a device; the rest is here. Left out where all of it is. */
  readonly device?: { readonly promisedBytes: number; readonly peakBytes: number };
  /** Bytes of cached rows now. */
  readonly cacheBytes: number;
  /** Bytes of stored episodes in memory now (part of the promise). */
  readonly storedBytes: number;
  /**
   * Bytes of what was said: text (2 bytes a character at most), 4 bytes a token; with episodes or
   * recall vectors and the text again; on a device that may be lost the tokens again. Grows.
   */
  readonly historyBytes: number;
}

export interface Statistics {
  /** Tokens of the conversation so far. */
  readonly tokens: number;
  /** Rows kept per kv head on average (the budget M), and of each layer. */
  readonly budgetRows: number;
  readonly budgetLayers: readonly number[];
  readonly policy: string;
  /** What computes: its name and build, and why it is this one. */
  readonly backend: string;
  readonly build: string;
  readonly backendReason: string;
  /**
   * How activations are rounded for products with quantised weights, and how bytes are multiplied
   * here; 'f32' where they are not rounded.
   */
  readonly activations: 'int8' | 'int16' | 'f32';
  readonly bytes: Rounding['bytes'] | undefined;
  /** Threads that share the work. */
  readonly threads: number;
  /** Workers that own some of the layers each; 1: the layers are together. */
  readonly pipeline: number;
  /** Why fewer threads or workers run than were asked for, where that is so. */
  readonly fallback: string | undefined;
  /** What came of loading the model with `cache: true`; undefined where that was not asked for. */
  readonly modelCache: CacheReport | undefined;
  readonly prefillTokens: number;
  readonly prefillMs: number;
  /** Tokens forwarded one by one after a reply's first, and the time that took. */
  readonly decodeTokens: number;
  readonly decodeMs: number;
  /**
   * From the question's first token (its episode being resident) to the reply's, of the last
   * question.
   */
  readonly firstTokenMs: number;
  readonly blocks: number;
  /** Episode that answered last, and how many there are; undefined without episodes. */
  readonly episode?: number;
  readonly episodes?: number;
  /** Times that a stored episode was lost or damaged, and made again from what was said. */
  readonly episodesRemade: number;
  /** All episodes that answered last: one, or two. */
  readonly answeredFrom: readonly number[];
  /** Rows reserved for recall, and the tokens that the last question recalled. */
  readonly recallRows: number;
  readonly recalledTokens: number;
}

/** The episodes of a conversation as they are now. */
export interface EpisodeReport {
  readonly segments: readonly Segment[];
  readonly episodes: readonly Episode[];
  /** Times that the conversation was clustered. */
  readonly clusterings: number;
}

const BYTES_PER_CHAR = 2;

export function memoryOf({
  model,
  plan,
  run,
  talk,
  turns,
  episodes,
  store,
  meter,
}: Parts): MemoryReport {
  const promisedStored = plan.promisedBytes - plan.promisedFixedBytes - plan.promisedCacheBytes;
  const { ids, chars } = talk.transcript;
  return {
    promisedBytes: plan.promisedBytes,
    peakBytes: run.peakBytes - promisedStored + meter.peakStoredBytes,
    promisedCacheBytes: plan.promisedCacheBytes,
    ...(model.backend.canBeLost && { device: deviceMemoryOf(plan, run.layers.peakCacheBytes) }),
    peakCacheBytes: run.layers.peakCacheBytes,
    cacheBytes: run.layers.cacheBytes,
    storedBytes: store.memoryBytes,
    // the text, and what was said that it was made of
    historyBytes:
      ids.bytes +
      2 * BYTES_PER_CHAR * chars +
      (run.layers.journalBytes ?? 0) +
      (talk.history?.bytes ?? 0) +
      (turns?.bytes ?? 0) +
      (episodes?.indexBytes ?? 0),
  };
}

const deviceMemoryOf = (plan: Plan, peakCacheBytes: number) => ({
  promisedBytes: plan.promisedDeviceBytes,
  peakBytes: plan.promisedDeviceBytes - plan.promisedCacheBytes + peakCacheBytes,
});

function activationsOf(
  { rounding }: Backend,
  { shape }: Plan,
): Pick<Statistics, 'activations' | 'bytes'> {
  if (!rounding) return { activations: 'f32', bytes: undefined };
  const auto = shape.rowType === 'f32' ? 'int16' : 'int8';
  const activations = rounding.activations === 'auto' ? auto : rounding.activations;
  return { activations, bytes: activations === 'int8' ? rounding.bytes : undefined };
}

/** `now`: tokens of the conversation, and which episodes answered last. */
export function statisticsOf(
  { model, plan, episodes, meter, recollection }: Parts,
  now: Pick<Statistics, 'tokens' | 'answeredFrom'>,
): Statistics {
  return {
    tokens: now.tokens,
    budgetRows: plan.rows,
    budgetLayers: plan.layerRows,
    policy: plan.policy.name,
    backend: model.backend.name,
    build: model.backend.build,
    backendReason: model.backendReason,
    ...activationsOf(model.backend, plan),
    threads: model.backend.threads,
    pipeline: model.executor.layerRanges.length,
    fallback: model.fallback,
    modelCache: model.cache,
    ...meter.counts,
    episode: now.answeredFrom[0],
    answeredFrom: now.answeredFrom,
    episodes: episodes?.episodes.length,
    episodesRemade: episodes?.remade ?? 0,
    recallRows: plan.recallRows,
    recalledTokens: recollection.tokens,
  };
}
