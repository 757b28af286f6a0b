// Tensors on their way into the places that are reserved for them: rows of matrices, which may be
// parts of a file's tensor or each expert's, and numbers.
import type { Backend } from '../backend/backend.ts';
import { dequantize } from '../backend/dequantize.ts';
import { expertRows } from '../backend/experts.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import type { TensorInfo, TensorPart } from './gguf.ts';
import { PartRows } from './part-rows.ts';
import { isFactors } from './tensors.ts';

/**
 * Memory that is made ready ahead of what arrives, or half of what is there where that is more:
 * V8 takes each growth for as much garbage as the memory is long, and collects it.
 */
const AHEAD_BYTES = 16 << 20;

/** Where tensors will lie. */
export interface Reserved {
  readonly matrices: ReadonlyMap<string, Weight>;
  readonly vectors: ReadonlyMap<string, Tensor>;
  /** Behind the last of them. */
  readonly end: Address;
  free(): void;
}

/** Rows of all experts, each beginning a group of rows (ExpertMatrix). */
export const expertsRows = ({ rows, experts = 1 }: TensorInfo): number =>
  experts * expertRows(rows / experts);

/** Whether a tensor's rows are kept one behind the other. */
const isWhole = (tensor: TensorInfo): boolean =>
  !tensor.parts && expertsRows(tensor) === tensor.rows;

interface Piece extends TensorPart {
  readonly to: number;
  readonly isPadded?: boolean;
}

/** What its rows are cut into otherwise, and the row of a matrix that each begins. */
function piecesOf({ name, rows, experts = 1, parts }: TensorInfo): Piece[] {
  if (parts) return parts.map((part) => ({ ...part, to: 0 }));
  const count = rows / experts;
  return Array.from({ length: experts }, (_, e) => ({
    ...{ name, period: rows, from: e * count, count, isPadded: true },
    to: e * expertRows(count),
  }));
}

/** All numbers of a tensor. */
const whole = (name: string, columns: number): TensorPart => ({
  name,
  period: columns,
  from: 0,
  count: columns,
});

export class Filling {
  /** What angles are divided by, and single numbers, by the names that files have. */
  readonly factors = new Map<string, readonly number[]>();
  readonly numbers = new Map<string, number>();
  readonly #parts = new Map<string, PartRows>();
  readonly #backend: Backend;
  readonly #reserved: Reserved;
  /** Up to where the memory is there. */
  #ready: Address = 0;

  constructor(backend: Backend, reserved: Reserved) {
    this.#backend = backend;
    this.#reserved = reserved;
  }

  /**
   * Where rows of a tensor can be read to. All of the memory is there from then on: it must not
   * grow while something is read into it.
   */
  place(tensor: TensorInfo, row: number, rows: number): Uint8Array | undefined {
    if (!this.#backend.rowsAt || tensor.isNumbers || !isWhole(tensor)) return undefined;
    this.#ready = Math.max(this.#ready, this.#reserved.end);
    this.#backend.arena.touch(this.#ready);
    return this.#backend.rowsAt(this.#reserved.matrices.get(tensor.name)!, row, rows);
  }

  /** Stores rows of a tensor as the file has them: see WeightStore. */
  put(tensor: TensorInfo, row: number, rows: number, bytes: Uint8Array): void {
    if (tensor.isNumbers) this.#putNumbers(tensor, row, rows, bytes);
    else if (isWhole(tensor)) this.#putRows(tensor.name, row, rows, bytes);
    else
      for (const { name, to, ...part } of piecesOf(tensor)) {
        const key = `${name} ${to}`;
        const own = this.#parts.get(key) ?? new PartRows(part, tensor.rows);
        this.#parts.set(key, own);
        own.take(row, rows, bytes, (at, count, some) => this.#putRows(name, to + at, count, some));
      }
  }

  #putNumbers(
    { name, type, rows: all, columns, parts }: TensorInfo,
    row: number,
    rows: number,
    bytes: Uint8Array,
  ): void {
    const found = Float32Array.from(dequantize(type.name, bytes, rows * columns));
    if (all * columns === 1) this.numbers.set(name, found[0]);
    if (isFactors(name)) this.factors.set(name, [...found]);
    for (const { name: own, from, count, period } of parts ?? [whole(name, columns)]) {
      const isKept = (_: number, i: number) => i % period >= from && i % period < from + count;
      const kept = count === period ? found : found.filter(isKept);
      const to = this.#reserved.vectors.get(own)!.address + row * (columns / period) * count * 4;
      this.#touch(to + kept.byteLength);
      this.#backend.write(to, kept);
    }
  }

  #putRows(name: string, row: number, rows: number, bytes: Uint8Array): void {
    const weight = this.#reserved.matrices.get(name)!;
    const { address, type, rows: all, columns } = weight;
    const end = Math.min(all, row + rows);
    this.#touch(address + this.#backend.weightBytes(type, end, columns));
    this.#backend.packRows(weight, row, rows, bytes);
  }

  #touch(to: Address): void {
    if (to <= this.#ready) return;
    this.#ready = Math.min(this.#reserved.end, to + Math.max(AHEAD_BYTES, to / 2));
    this.#backend.arena.touch(this.#ready);
  }
}
