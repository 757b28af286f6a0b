// What a conversation is made of, put together when it opens. Everything that it will ever hold is
// reserved here, and nothing where an option is refused.
import { type Model, readModel } from '../engine/model.ts';
import { type Plan, planRun } from '../engine/plan.ts';
import { Run } from '../engine/run.ts';
import { diskStore } from '../episode/disk-store.ts';
import { createEmbedder } from '../episode/embedders.ts';
import { Episodes } from '../episode/episodes.ts';
import { memoryStore } from '../episode/memory-store.ts';
import { SegmentIndex } from '../episode/segment-index.ts';
import type { EpisodeStore } from '../episode/store.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Calls } from './calls.ts';
import { Meter } from './meter.ts';
import type { ConversationOptions } from './options.ts';
import { PatchedPrompts } from './patched-prompts.ts';
import { Recollection } from './recollection.ts';
import { readOptions } from './settings.ts';
import { Talk } from './talk.ts';

export interface Parts {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly plan: Plan;
  readonly run: Run;
  readonly talk: Talk;
  readonly calls: Calls;
  readonly meter: Meter;
  readonly store: EpisodeStore;
  readonly episodes: Episodes | undefined;
  /** What recall chooses from; undefined without recall. */
  readonly turns: SegmentIndex | undefined;
  readonly recollection: Recollection;
}

/** Throws as openConversation() does. */
export function openParts(model: Model, options: ConversationOptions): Parts {
  if (readModel(model).executor.ended) throw model.executor.ended;
  const { tokenizer } = model;
  const settings = readOptions(options, model);
  const { framing, instructions } = settings;
  const plan = planRun(model.executor, settings.plan);
  const { observe } = plan.policy;
  const episodic = observe.queries === 'patched' && observe.prompt === 'episode';
  const calls = new Calls(model);
  const indexOf = (segmentTurns: number) => {
    const embedder = createEmbedder(settings.episodes.embedder, model, () => calls.endings);
    return new SegmentIndex(embedder, segmentTurns);
  };
  const talk = new Talk(framing, tokenizer, episodic || plan.recallRows > 0);
  // single turns, so that much fits into few rows
  const turns = plan.recallRows > 0 ? indexOf(1) : undefined;
  const segments = episodic ? indexOf(settings.episodes.segmentTurns) : undefined;
  const prompts = new PatchedPrompts(tokenizer, framing, instructions);
  const prompt =
    observe.queries === 'patched' && !episodic ? prompts.ofBlocks(observe.prompt) : undefined;
  const { store: folder } = settings.episodes;
  const store = folder === undefined ? memoryStore() : diskStore(folder);
  // nothing that may be refused comes behind what is reserved
  const run = new Run(model.executor, plan);
  if (prompt) run.prompt = prompt;
  const promptOf = (text: string) => prompts.tokens('episode', text);
  const episodes = segments && new Episodes(run, segments, store, settings.episodes, promptOf);
  talk.onChanged = (token) => episodes?.changedFrom(token);
  const meter = new Meter(run, store, episodes);
  const recollection = new Recollection(run, talk, tokenizer, turns);
  return {
    model,
    tokenizer,
    plan,
    run,
    talk,
    calls,
    meter,
    store,
    episodes,
    turns,
    recollection,
  };
}
