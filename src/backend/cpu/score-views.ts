// Scores of rows as this thread sees them: one f32 a row, head by head.
import type { Address, Scores } from '../tensor.ts';
import { cpuScores, total, type Views } from './memory.ts';

/** All scores, in one. */
export function floatsOf(memory: Views, scores: Scores): Float32Array {
  return memory.floats(scores.address, total(cpuScores(scores)));
}

/** Calls `each` with the scores of every head. */
export function perHead(
  memory: Views,
  scores: Scores,
  each: (own: Float32Array, h: number, at: Address) => void,
): void {
  let at = scores.address;
  cpuScores(scores).counts.forEach((n, h) => {
    each(memory.floats(at, n), h, at);
    at += n * 4;
  });
}
