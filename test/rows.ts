// Handles of rows, scores and selections, for tests that lay them out themselves.
import type { RowType } from '../src/backend/dtype.ts';
import type {
  CpuRows,
  CpuScores,
  CpuSelection,
  HeadRows,
  Kept,
} from '../src/backend/cpu/memory.ts';
import type { Address, Scores } from '../src/backend/tensor.ts';

export const rowsOf = (heads: readonly HeadRows[], headDim: number, rowType: RowType): CpuRows => ({
  kvHeads: heads.length,
  headDim,
  rowType,
  heads,
});

export const scoresOf = (address: Address, counts: readonly number[]): CpuScores => ({
  address,
  counts,
});

export const countsOf = (scores: Scores): readonly number[] => (scores as CpuScores).counts;

export const selectionOf = (heads: readonly Kept[]): CpuSelection => ({ address: 0, heads });
