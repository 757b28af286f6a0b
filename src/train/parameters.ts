// What is trained, as the optimiser sees it: numbers in a backend's memory, their gradients and
// AdamW's two moments beside them, laid out alike, so that a step needs no names.
import type { Backend } from '../backend/backend.ts';
import { weightTypes } from '../backend/dtype.ts';
import { Regions } from '../backend/regions.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import type { AdamW, Training } from '../backend/training.ts';

/** Something that is trained: an f32 matrix, packed like every weight, or a vector. */
export interface Parameter {
  readonly name: string;
  readonly at: Weight | Tensor;
  /** Whether weight decay pulls at it: at matrices, as a rule. */
  readonly decays: boolean;
}

/** Its numbers, row after row, and both moments. */
export interface ParameterState {
  readonly w: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
}

/** What there is of each parameter, in an order of its own each. */
const PARTS = ['g', 'm', 'v'] as const;
type Part = (typeof PARTS)[number];

/** Rows that are read or written at a time. */
const ROWS = 64;

const isWeight = (at: Weight | Tensor): at is Weight => 'type' in at;
export const rowsOf = (at: Weight | Tensor): number => (isWeight(at) ? at.rows : 1);

/** f32 numbers of a parameter in memory, padding of its packing included. */
const countOf = (backend: Backend, at: Weight | Tensor): number =>
  isWeight(at) ? backend.weightBytes(at.type, at.rows, at.columns) / 4 : at.columns;

const FLOATS = weightTypes.find(({ name }) => name === 'f32')!;

/** An f32 matrix at an address. */
export const floatWeight = (address: Address, rows: number, columns: number): Weight => ({
  address,
  type: FLOATS,
  rows,
  columns,
});

type Shaped = Pick<Parameter, 'name'> & { readonly at: Weight | Tensor };

function regionsOf(backend: Backend, parameters: readonly Shaped[]): Regions {
  const regions = new Regions();
  const widest = Math.max(0, ...parameters.map(({ at }) => at.columns));
  for (const part of PARTS)
    for (const { name, at } of parameters) regions.add(`${part} ${name}`, countOf(backend, at), 1);
  regions.add('ids', ROWS, 1);
  regions.add('rows', ROWS, widest);
  return regions;
}

/** Bytes of gradients and moments, and of a place to read them by. */
export const parameterBytes = (backend: Backend, parameters: readonly Shaped[]): number =>
  regionsOf(backend, parameters).bytes;

/** What the optimiser's operations need, beside how wide parameters are. */
const ONE_TOKEN = { tokens: 1, queryHeads: 1, kvHeads: 1, headDim: 1, training: true };

export class Parameters {
  readonly all: readonly Parameter[];
  readonly #backend: Backend;
  readonly #training: Training;
  readonly #start: Address;
  readonly #release: () => void;
  readonly #tensor: ReturnType<Regions['layOut']>;
  /** Gradients by the address of what they belong to. */
  readonly #gradients: ReadonlyMap<Address, Weight | Tensor>;

  /** Reserves their gradients and moments, all zero. Throws DeviceError where memory ends. */
  constructor(backend: Backend, training: Training, parameters: readonly Parameter[]) {
    this.#backend = backend;
    this.#training = training;
    this.all = parameters;
    const regions = regionsOf(backend, parameters);
    this.#start = backend.arena.allocate(regions.bytes);
    const width = Math.max(1, ...parameters.map(({ at }) => at.columns));
    this.#release = backend.reserveScratch({ ...ONE_TOKEN, width });
    this.#tensor = regions.layOut(this.#start);
    training.clear(this.#start, regions.bytes / 4);
    this.#gradients = new Map(parameters.map((p) => [p.at.address, this.#partOf(p, 'g')]));
  }

  /** Numbers that are trained. */
  get count(): number {
    return this.all.reduce((sum, { at }) => sum + rowsOf(at) * at.columns, 0);
  }

  readonly gradientOf = <P extends Weight | Tensor>({ address }: P): P | undefined =>
    this.#gradients.get(address) as P | undefined;

  #partOf({ name, at }: Parameter, part: Part): Weight | Tensor {
    const { address } = this.#tensor(`${part} ${name}`);
    return isWeight(at) ? floatWeight(address, at.rows, at.columns) : { ...at, address };
  }

  /** norm2 of all gradients together. */
  async gradientNorm(): Promise<number> {
    return Math.sqrt(await this.sumOfSquares());
  }

  /** Squares of all gradients, added to those of parameters before them. */
  async sumOfSquares(before = 0): Promise<number> {
    const sums = this.all.map((p) => {
      const { address } = this.#partOf(p, 'g');
      return this.#training.sumOfSquares(address, countOf(this.#backend, p.at));
    });
    return (await Promise.all(sums)).reduce((a, b) => a + b, before);
  }

  /** One step of AdamW; gradients are zero afterwards. `decay` is for those that decay. */
  step(how: AdamW): void {
    for (const p of this.all) {
      const [g, m, v] = PARTS.map((part) => this.#partOf(p, part).address);
      const count = countOf(this.#backend, p.at);
      const decay = p.decays ? how.decay : 0;
      this.#training.adamW(p.at.address, g, m, v, count, { ...how, decay });
    }
  }

  clearGradients(): void {
    for (const p of this.all)
      this.#training.clear(this.#partOf(p, 'g').address, countOf(this.#backend, p.at));
  }

  /** Numbers of a parameter, row after row. */
  read({ at }: Parameter): Promise<Float32Array> {
    return this.#read(at);
  }

  /** Its gradient, as it is now. */
  readGradient(parameter: Parameter): Promise<Float32Array> {
    return this.#read(this.#partOf(parameter, 'g'));
  }

  async readState(parameter: Parameter): Promise<ParameterState> {
    const [w, m, v] = await Promise.all([
      this.read(parameter),
      this.#read(this.#partOf(parameter, 'm')),
      this.#read(this.#partOf(parameter, 'v')),
    ]);
    return { w, m, v };
  }

  /** Puts numbers in the place of a parameter's own. */
  write(parameter: Parameter, numbers: Float32Array): void {
    writeNumbers(this.#backend, parameter.at, numbers);
  }

  writeState(parameter: Parameter, { w, m, v }: ParameterState): void {
    this.write(parameter, w);
    writeNumbers(this.#backend, this.#partOf(parameter, 'm'), m);
    writeNumbers(this.#backend, this.#partOf(parameter, 'v'), v);
  }

  async #read(at: Weight | Tensor): Promise<Float32Array> {
    if (!isWeight(at)) return this.#backend.readFloats(at.address, at.columns);
    // how a weight is packed is its backend's own: its rows are read as embeddings are
    const ids = this.#tensor('ids').address;
    const rows = this.#tensor('rows', at.columns);
    const numbers = new Float32Array(at.rows * at.columns);
    for (let row = 0; row < at.rows; row += ROWS) {
      const count = Math.min(ROWS, at.rows - row);
      this.#backend.write(
        ids,
        Int32Array.from({ length: count }, (_, i) => row + i),
      );
      this.#backend.embed(rows, at, ids, count);
      const part = this.#backend.readFloats(rows.address, count * at.columns);
      // one piece at a time: what is read is not held twice
      numbers.set(await part, row * at.columns);
    }
    return numbers;
  }

  dispose(): void {
    this.#release();
    this.#backend.arena.free(this.#start);
  }
}

/** Puts f32 numbers, row after row, into a matrix or vector. */
export function writeNumbers(backend: Backend, at: Weight | Tensor, numbers: Float32Array): void {
  if (!isWeight(at)) {
    backend.write(at.address, numbers);
    return;
  }
  for (let row = 0; row < at.rows; row += ROWS) {
    const count = Math.min(ROWS, at.rows - row);
    const part = numbers.subarray(row * at.columns, (row + count) * at.columns);
    const { buffer, byteOffset, byteLength } = part;
    backend.packRows(at, row, count, new Uint8Array(buffer, byteOffset, byteLength));
  }
}
