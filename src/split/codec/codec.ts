// One end of a cut: what it sends as frames, and what frames of the other end say. Both ends are
// opened with the same options. Bits are the client's to change (gates); its frames tell the other
// end, whose frames have the same.
import { type Packing, packingKernels } from '../../backend/wasm/packing.ts';
import { OptionError, ProtocolError } from '../../errors.ts';
import { bitsOf, packRows, rangesIn, type Rounding, unpackRows } from './body.ts';
import {
  BY_TOKEN,
  checksumIn,
  checksumOf,
  expectSame,
  type FrameHeader,
  type FrameKind,
  FRESH,
  frameBytes,
  HEADER_BYTES,
  MAP,
  RAW,
  readHeader,
  ROWS,
  type WrittenHeader,
  writeFrame,
} from './frame.ts';
import {
  type CodecOptions,
  type CodecSetup,
  type CodecShape,
  codecSetup,
  type FrameName,
} from './options.ts';
import { gather, joined, maskOf, movedRows, rowsOfMask } from './rows.ts';
import { positionsOf, type Sample, SampleStates, type SavedSamples } from './samples.ts';

const ASK_ALONE = 'ask for a frame that stands alone';
/** Why a frame cannot be read, and that another one could: the other end calls forget(). */
const alone = (why: string) => new ProtocolError(`frame: ${why}: ${ASK_ALONE}`);
/** Whether an error, here or at the other end, says so. */
export const asksAlone = (error: unknown): boolean =>
  error instanceof ProtocolError && error.message.endsWith(ASK_ALONE);

/** An end as it is stored. */
export interface CodecState {
  readonly bits: Uint8Array;
  readonly isTold: boolean;
  readonly isOwner: boolean;
  readonly states: readonly (readonly [string, SavedSamples])[];
}

export class CodecEnd {
  readonly #setup: CodecSetup;
  readonly #shape: CodecShape;
  readonly #kernels: Packing;
  /** States of samples by way and kind: those that were sent, and those that came. */
  readonly #states = new Map<string, SampleStates>();
  #bits: Uint8Array;
  #map: number;
  /** Whether the other end has these bits, and whether they are this end's to change. */
  #isTold = true;
  #isOwner = false;

  /** Throws OptionError. */
  constructor(options: CodecOptions, shape: CodecShape, kernels: Packing = packingKernels()) {
    this.#setup = codecSetup(options, shape);
    this.#shape = shape;
    this.#kernels = kernels;
    this.#bits = new Uint8Array(this.#setup.lanes).fill(this.#setup.bits);
    this.#map = checksumOf(this.#bits);
  }

  /** Bits of each channel, or position. */
  get bits(): Uint8Array {
    return this.#bits.slice();
  }

  /**
   * Changes them, between two steps; the next frame of activations tells the other end. It is the
   * one end of both that does. Throws OptionError.
   */
  setBits(bits: Uint8Array): void {
    const count = this.#bits.length;
    if (bits.length !== count || bits.some((b) => b < 1 || b > 8))
      throw new OptionError(
        `bits ${bits.join(' ')}: ${bits.length} of them, expected ${count} from 1 to 8`,
      );
    this.#isOwner = true;
    const map = checksumOf(bits);
    if (map === this.#map) return;
    this.#bits = bits.slice();
    this.#map = map;
    this.#isTold = false;
  }

  /** Bytes of samples' states now; at most options.stateBytes each way and kind. */
  get stateBytes(): number {
    return [...this.#states.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** All that frames to come depend on: this end goes on from it elsewhere, with the same bits. */
  save(): CodecState {
    const states = [...this.#states].map(([name, kept]) => [name, kept.save()] as const);
    return { bits: this.bits, isTold: this.#isTold, isOwner: this.#isOwner, states };
  }

  /** Goes on from what save() gave. Throws OptionError where that was of another shape. */
  restore({ bits, isTold, isOwner, states }: CodecState): void {
    this.setBits(bits);
    [this.#isTold, this.#isOwner] = [isTold, isOwner];
    this.#states.clear();
    for (const [name, saved] of states) {
      const kept = new SampleStates(this.#shape.width, this.#setup.stateBytes);
      kept.restore(saved);
      this.#states.set(name, kept);
    }
  }

  /** Makes the next frames stand alone: where the other end has lost what they build on. */
  forget(): void {
    for (const [name, states] of this.#states) if (name.startsWith('sent ')) states.forget();
    this.#isTold = false;
  }

  #statesOf(way: 'sent' | 'came', kind: FrameKind): SampleStates | undefined {
    const { row, gradientThreshold, stateBytes } = this.#setup;
    const isUsed = kind === 'activations' || (row.last === 'moved' && gradientThreshold > 0);
    if (row.last === undefined || !isUsed) return undefined;
    const name = `${way} ${kind}`;
    const states = this.#states.get(name) ?? new SampleStates(this.#shape.width, stateBytes);
    this.#states.set(name, states);
    return states;
  }

  /** How these rows of a micro-batch are rounded. */
  #roundingOf(samples: readonly Sample[], rows: readonly number[]): Rounding {
    const { byToken, group } = this.#setup;
    if (!byToken) return { bits: this.#bits, group, byToken };
    const positions = positionsOf(samples);
    return { bits: Uint8Array.from(rows, (row) => this.#bits[positions[row]]), group, byToken };
  }

  /** Tokens of a micro-batch. */
  #tokensOf({ samples }: FrameName): number {
    const T = samples.reduce((sum, { count }) => sum + count, 0);
    const { mostTokens } = this.#shape;
    if (samples.some(({ count }) => !Number.isInteger(count) || count < 1) || T > mostTokens)
      throw new OptionError(
        `a micro-batch of ${T} tokens, expected samples of one at least, and ${mostTokens} at most`,
      );
    return T;
  }

  /** The frame of x f32 [T, D]. Throws OptionError where a number of x is not finite. */
  encode(x: Float32Array, name: FrameName): Uint8Array {
    const T = this.#tokensOf(name);
    const { width: D } = this.#shape;
    const { row, threshold, gradientThreshold, byToken } = this.#setup;
    const { kind, step, microBatch, samples } = name;
    if (x.length !== T * D)
      throw new OptionError(`${x.length} numbers, expected ${T} tokens of ${D} channels`);
    const states = this.#statesOf('sent', kind);
    const known = states?.known(samples);
    const isChange = known !== undefined && row.last === 'change' && known.isAll;
    const isRaw = row.ranges === 'none' || (states && row.last === 'change' && !isChange);
    const most = kind === 'activations' ? threshold : gradientThreshold;
    const all = Array.from({ length: T }, (_, t) => t);
    const rows = known && row.last === 'moved' ? movedRows(x, known, D, most) : all;
    const isFull = rows.length === T;
    const numbers = isChange ? x.map((v, i) => v - known.base[i]) : gather(x, rows, D);
    const rounding = this.#roundingOf(samples, rows);
    const { parts, exponent } =
      isRaw || rows.length === 0
        ? { parts: [new Uint8Array(numbers.buffer)], exponent: 0 }
        : packRows(this.#kernels, numbers, rounding, D);
    const isMap = kind === 'activations' && !this.#isTold;
    const isFresh = states?.isFresh;
    const sets = [
      isRaw && RAW,
      isMap && MAP,
      !isFull && ROWS,
      byToken && BY_TOKEN,
      isFresh && FRESH,
    ];
    const header: WrittenHeader = {
      ...{ kind, step, microBatch, tokens: T, width: D, rows: rows.length, exponent },
      group: isRaw ? 0 : this.#setup.group,
      map: this.#map,
      base: isRaw ? 0 : (states?.digest(samples) ?? 0),
      flags: sets.reduce<number>((sum, flag) => sum | (flag || 0), 0),
    };
    const map = isMap ? [this.#bits] : [];
    const frame = writeFrame(header, [...map, ...(isFull ? [] : [maskOf(rows, T)]), ...parts]);
    if (isMap) this.#isTold = true;
    if (!states || !known) return frame;
    // where tokens wait until they moved, rounding is not taken for a move
    const front = frame.length - parts.reduce((sum, { length }) => sum + length, 0);
    const back =
      row.last === 'moved'
        ? numbers
        : this.#numbersOf(header, frame.subarray(front), rows, rounding);
    states.put(samples, joined(known.base, back, rows, D, isChange), checksumIn(frame));
    return frame;
  }

  /**
   * What a frame of the other end says: f32 [T, D]. Throws ProtocolError for anything but the frame
   * that is expected; this end is then as it was.
   */
  decode(bytes: Uint8Array, name: FrameName): Float32Array {
    const T = this.#tokensOf(name);
    const { kind, step, microBatch } = name;
    const { row, codec, byToken, group } = this.#setup;
    const expected = { kind, step, microBatch, tokens: T, width: this.#shape.width };
    const header = readHeader(bytes, expected);
    const isRaw = (header.flags & RAW) !== 0;
    const mayBeRaw = row.ranges === 'none' || (row.last === 'change' && kind === 'activations');
    if (isRaw ? !mayBeRaw : row.ranges === 'none')
      throw new ProtocolError(
        `frame: ${isRaw ? 'f32' : 'rounded numbers'}, which codec ${codec} does not send: open ` +
          'both ends with the same options',
      );
    expectSame('group', header.group, isRaw ? 0 : group);
    expectSame('byToken', String((header.flags & BY_TOKEN) !== 0), String(byToken));
    const [bits, map] = [this.#bits, this.#map];
    try {
      return this.#read(header, bytes.subarray(HEADER_BYTES), name);
    } catch (error) {
      [this.#bits, this.#map] = [bits, map];
      throw error;
    }
  }

  #read(header: FrameHeader, body: Uint8Array, { kind, samples }: FrameName): Float32Array {
    const { width: D, tokens: T, flags } = header;
    const [isRaw, isFull] = [(flags & RAW) !== 0, (flags & ROWS) === 0];
    const mapBytes = flags & MAP ? this.#bits.length : 0;
    if (mapBytes > 0) this.#readMap(body.subarray(0, mapBytes), header);
    else if (!isRaw && header.map !== this.#map)
      throw alone('it was rounded to bits that this end does not have');
    const numbersAt = mapBytes + (isFull ? 0 : Math.ceil(T / 8));
    const all = Array.from({ length: T }, (_, t) => t);
    const rows = isFull ? all : rowsOfMask(body.subarray(mapBytes, numbersAt), T, header.rows);
    const rounding = this.#roundingOf(samples, rows);
    const ranges = isRaw ? 0 : rangesIn(rounding);
    const bits = bitsOf(rounding, rows.length, D);
    const size = { tokens: T, width: D, rows: rows.length, ranges, bits, mapBytes };
    expectSame('length', header.length, frameBytes(size));
    const states = this.#statesOf('came', kind);
    // what the sender forgot counts for nothing here, and is forgotten with the last line
    const isFresh = (flags & FRESH) !== 0;
    const seen = isFresh ? states && new SampleStates(D, 0) : states;
    if (!isRaw && header.base !== (seen?.digest(samples) ?? 0))
      throw alone('it builds on states of samples that this end does not have');
    const known = seen?.known(samples);
    const sent = new Set(rows);
    if (all.some((t) => !sent.has(t) && !known?.isKnown[t]))
      throw alone('tokens are left out that were never sent');
    const back = this.#numbersOf(header, body.subarray(numbersAt), rows, rounding);
    if (!states || !known) return back;
    const isChange = this.#setup.row.last === 'change' && !isRaw;
    const out = joined(known.base, back, rows, D, isChange);
    if (isFresh) states.forget();
    states.put(samples, out, header.checksum);
    return out;
  }

  #readMap(map: Uint8Array, header: FrameHeader): void {
    const count = this.#bits.length;
    if (this.#isOwner || header.kind !== 'activations')
      throw new ProtocolError("frame: it changes bits, which are not its end's to change");
    const wrong = map.findIndex((b) => b < 1 || b > 8);
    if (map.length < count || wrong >= 0)
      throw new ProtocolError(
        wrong >= 0
          ? `frame: channel ${wrong} has ${map[wrong]} bits, expected 1 to 8: ask for it again`
          : `frame: bits of ${map.length} channels, expected ${count}: ask for it again`,
      );
    expectSame('checksum of bits', checksumOf(map), header.map);
    this.#bits = map.slice();
    this.#map = header.map;
  }

  /** The rows whose ranges and numbers these bytes are. */
  #numbersOf(
    { flags, exponent, width: D }: Pick<FrameHeader, 'flags' | 'exponent' | 'width'>,
    bytes: Uint8Array,
    rows: readonly number[],
    rounding: Rounding,
  ): Float32Array {
    const isPlain = (flags & RAW) !== 0 || rows.length === 0;
    if (isPlain) return new Float32Array(bytes.slice().buffer);
    return unpackRows(this.#kernels, { bytes, exponent }, rounding, rows.length, D);
  }
}
