// EpiCache (arXiv 2509.17396): one cache an episode, each keeping the rows that the episode's
// medoid text attends to.
import { definePolicy } from './define.ts';

export const epicache = definePolicy({
  name: 'epicache',
  summary: "a cache for each topic: rows that the topic's own text attends to (arXiv 2509.17396)",
  observe: { queries: 'patched', prompt: 'episode' },
  aggregate: 'max',
});
