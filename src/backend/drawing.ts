/**
 * Which tokens can be drawn, and how likely (docs/algorithms.md, 'Sampling'): temperature 0 takes
 * the most probable one, the lower on ties; topK 0 means all.
 */
export interface Drawing {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}
