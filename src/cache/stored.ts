// What is stored of a conversation: where it stands, and the rows of its caches (snapshot.ts),
// those of each stage one behind the other. i32, little-endian:
//
//   head:  'RCS3' | numbers of the head | checksum of the rest of it | tag [4] | token
//          | position base | rebased at | kvHeads | headDim | type of rows | stages
//          | layers, grids, slots of each | lengths [layers][kvHeads]
//   body:  the bytes of each stage's cache
//   tail:  a checksum of each section of the body, and one of these
//
// It is read in parts, wherever it lies, and nothing of it is believed before its checksum was
// right.
import { StoreError } from '../errors.ts';
import { isGrouped, rowCode } from '../backend/dtype.ts';
import { cacheColumns, type CacheShape } from './shape.ts';
import { type Extent, largestExtent, sectionsOf } from './snapshot.ts';

/** Where bytes are stored, in order. */
export interface BytesOut {
  /** How many will come: called first. */
  reserve(size: number): void;
  /** The bytes are the caller's again afterwards. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Stored bytes. */
export interface BytesIn {
  readonly size: number;
  /** Fills memory with the bytes from `at` on. Throws where they are not there. */
  read(at: number, into: Uint8Array): Promise<void>;
}

/**
 * Four numbers that no other stored state has: which conversation's it is, of what, and since when.
 */
export type Tag = readonly [number, number, number, number];

/** A stored state, and the tag and the name of what it must be. */
export interface Stored {
  readonly from: BytesIn;
  readonly tag: Tag;
  readonly name: string;
}

/** Where a conversation stands. */
export interface Standing {
  /** The number of its next token. */
  readonly token: number;
  /** In compact positions the position that rows end at, else -1. */
  readonly base: number;
  /** Token number at which the positions were last made compact. */
  readonly rebasedAt: number;
}

/** What was stored cannot be read, or is not what was stored. */
export class LostError extends StoreError {
  /** Of what it is the name. */
  readonly stored: string;

  constructor(stored: string, why: string, cause?: unknown) {
    super(`${stored}: ${why}: delete the store and let it be written again`, { cause });
    this.stored = stored;
  }
}

const MAGIC = 0x33534352; // 'RCS3'
const FIXED_INTS = 14;
const STAGE_INTS = 3;
const CHECKSUM_AT = 2;
const TAG_AT = 3;

const headInts = (shapes: readonly CacheShape[]) =>
  FIXED_INTS + shapes.reduce((sum, s) => sum + STAGE_INTS + s.keptRows.length * s.kvHeads, 0);

const sectionCount = (shapes: readonly CacheShape[], extents: readonly Extent[]) =>
  shapes.reduce((sum, shape, i) => sum + sectionsOf(shape, extents[i]).length, 0);

const bytesOf = (sections: readonly number[]) => sections.reduce((a, b) => a + b, 0);

/** Bytes of head and tail: of one that `shape` is cut into stages for, at most. */
export function frameBytes(shape: CacheShape): number {
  const layers = shape.keptRows.length;
  const sections =
    layers * shape.kvHeads * cacheColumns(shape.headDim, shape.rowType).length + 2 * layers;
  return 4 * (FIXED_INTS + layers * (STAGE_INTS + shape.kvHeads) + sections + 1);
}

/** Most bytes of a stored state with `rows` rows, in one stage or several. */
export function storedBytes(shape: CacheShape, rows: number): number {
  return frameBytes(shape) + bytesOf(sectionsOf(shape, largestExtent(shape, rows)));
}

/** The head, and the bytes of all. */
export function writeHead(
  shapes: readonly CacheShape[],
  extents: readonly Extent[],
  standing: Standing,
  tag: Tag,
): { head: Int32Array<ArrayBuffer>; size: number } {
  const head = new Int32Array(headInts(shapes));
  const [{ kvHeads, headDim, rowType }] = shapes;
  const { token, base, rebasedAt } = standing;
  head.set([
    MAGIC,
    head.length,
    0,
    ...tag,
    token,
    base,
    rebasedAt,
    kvHeads,
    headDim,
    rowCode(rowType),
    shapes.length,
  ]);
  let at = FIXED_INTS;
  for (const [i, { grids, slots }] of extents.entries()) {
    head.set([shapes[i].keptRows.length, grids, slots], at);
    at += STAGE_INTS;
  }
  for (const { lengths } of extents) {
    head.set(lengths, at);
    at += lengths.length;
  }
  head[CHECKSUM_AT] = checksumOfHead(head);
  return { head, size: sizeOf(shapes, extents) };
}

function sizeOf(shapes: readonly CacheShape[], extents: readonly Extent[]): number {
  const body = shapes.reduce((sum, shape, i) => sum + bytesOf(sectionsOf(shape, extents[i])), 0);
  return 4 * (headInts(shapes) + sectionCount(shapes, extents) + 1) + body;
}

const checksumOfHead = (head: Int32Array) =>
  checksum(checksum(SEED, head.subarray(0, CHECKSUM_AT)), head.subarray(CHECKSUM_AT + 1));

const SEED = 0x811c9dc5 | 0;

/** FNV-1a over 32-bit words: a change of any one word changes it. Goes on from `h`. */
function checksum(h: number, words: Int32Array): number {
  for (let i = 0; i < words.length; i++) h = Math.imul(h ^ words[i], 0x01000193);
  return h;
}

const wordsOf = (bytes: Uint8Array) =>
  new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);

/** Makes the checksums of sections whose bytes come in order, cut anywhere between words. */
export class Checksums {
  readonly sums: Int32Array<ArrayBuffer>;
  readonly #sections: readonly number[];
  #section = -1;
  #left = 0;
  #h = SEED;

  constructor(sections: readonly number[]) {
    this.#sections = sections;
    this.sums = new Int32Array(sections.length + 1);
    this.#next();
  }

  /** Adds bytes; hears which sections ended with them. */
  add(bytes: Uint8Array, ended?: (section: number) => void): void {
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(this.#left, bytes.length - at);
      this.#h = checksum(this.#h, wordsOf(bytes.subarray(at, at + count)));
      at += count;
      this.#left -= count;
      if (this.#left > 0) continue;
      this.sums[this.#section] = this.#h;
      ended?.(this.#section);
      this.#next();
    }
  }

  /** The tail. */
  tail(): Int32Array<ArrayBuffer> {
    this.sums[this.sums.length - 1] = checksum(SEED, this.sums.subarray(0, -1));
    return this.sums;
  }

  #next(): void {
    this.#h = SEED;
    // what is empty has the checksum of nothing
    do {
      this.#left = this.#sections[++this.#section] ?? 0;
      if (this.#left === 0 && this.#section < this.#sections.length)
        this.sums[this.#section] = SEED;
    } while (this.#left === 0 && this.#section < this.#sections.length);
  }
}

/** A state to be put back: its bytes in order, stage by stage. */
export interface Body {
  readonly standing: Standing;
  readonly extents: readonly Extent[];
  /**
   * Fills memory with bytes of a stage that follow those given before; gives how many there are.
   */
  fill(stage: number, into: Uint8Array): Promise<number>;
}

interface Section {
  readonly at: number;
  readonly bytes: number;
  readonly sum: number;
}

/**
 * A stored state that was opened: its head and tail are right, the rest of it is checked as it is
 * read.
 */
export class Saved implements Body {
  readonly standing: Standing;
  readonly extents: readonly Extent[];
  /** Sections of each stage. */
  readonly sections: readonly (readonly Section[])[];
  readonly #stored: Stored;
  #stage = -1;
  #sums = new Checksums([]);
  #at = 0;

  private constructor(
    stored: Stored,
    head: Int32Array,
    extents: readonly Extent[],
    sections: Saved['sections'],
  ) {
    this.#stored = stored;
    this.standing = { token: head[7], base: head[8], rebasedAt: head[9] };
    this.extents = extents;
    this.sections = sections;
  }

  /** Throws LostError for what is damaged, of another conversation or another shape of cache. */
  static async open(stored: Stored, shapes: readonly CacheShape[]): Promise<Saved> {
    const { from, tag } = stored;
    const refuse = (why: string): never => {
      throw new LostError(stored.name, why);
    };
    const head = new Int32Array(headInts(shapes));
    if (from.size < head.byteLength)
      refuse(`${from.size} bytes, a header alone has ${head.byteLength}`);
    await readFrom(stored, 0, new Uint8Array(head.buffer));
    const [{ kvHeads, headDim, rowType }] = shapes;
    const others = [kvHeads, headDim, rowCode(rowType), shapes.length];
    const wrong = (numbers: readonly number[], at: number) =>
      numbers.some((n, i) => head[at + i] !== n);
    if (wrong([MAGIC, head.length], 0) || wrong(others, FIXED_INTS - others.length))
      refuse('it is no snapshot of this model and row type');
    if (head[CHECKSUM_AT] !== checksumOfHead(head))
      refuse('the checksum of its header is wrong, the bytes were changed');
    if (wrong(tag, TAG_AT)) refuse('it is the snapshot of something else');
    let at = FIXED_INTS + STAGE_INTS * shapes.length;
    const extents = shapes.map(({ keptRows }, i): Extent => {
      const [layers, grids, slots] = head.subarray(
        FIXED_INTS + STAGE_INTS * i,
        FIXED_INTS + STAGE_INTS * (i + 1),
      );
      if (layers !== keptRows.length) refuse('it is no snapshot of these layers');
      const lengths = Array.from(head.subarray(at, (at += layers * kvHeads)));
      return { lengths, grids, slots };
    });
    const size = sizeOf(shapes, extents);
    if (from.size !== size) refuse(`${from.size} bytes do not hold its rows, they take ${size}`);
    const tail = new Int32Array(sectionCount(shapes, extents) + 1);
    await readFrom(stored, size - tail.byteLength, new Uint8Array(tail.buffer));
    if (tail[tail.length - 1] !== checksum(SEED, tail.subarray(0, -1)))
      refuse('the checksum of its checksums is wrong, the bytes were changed');
    let place = head.byteLength;
    let number = 0;
    const sections = shapes.map((shape, i) =>
      sectionsOf(shape, extents[i]).map((bytes) => {
        const section = { at: place, bytes, sum: tail[number++] };
        place += bytes;
        return section;
      }),
    );
    return new Saved(stored, head, extents, sections);
  }

  async fill(stage: number, into: Uint8Array): Promise<number> {
    const sections = this.sections[stage];
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#sums = new Checksums(sections.map(({ bytes }) => bytes));
      this.#at = sections[0].at;
    }
    const last = sections[sections.length - 1];
    const part = into.subarray(0, Math.min(into.length, last.at + last.bytes - this.#at));
    await this.read(this.#at, part);
    this.#at += part.length;
    this.#sums.add(part, (section) => this.check(sections[section], this.#sums.sums[section]));
    return part.length;
  }

  read(at: number, into: Uint8Array): Promise<void> {
    return readFrom(this.#stored, at, into);
  }

  /** Throws LostError where a section's bytes have another checksum than they had. */
  check(section: Section, sum: number): void {
    if (sum !== section.sum)
      throw new LostError(this.#stored.name, 'its checksum is wrong, the bytes were changed');
  }
}

async function readFrom({ from, name }: Stored, at: number, into: Uint8Array): Promise<void> {
  try {
    await from.read(at, into);
  } catch (cause) {
    throw new LostError(name, `it cannot be read (${(cause as Error).message})`, cause);
  }
}

/** Bytes that Joined takes a row of the fullest head. */
const JOINED_ROW_BYTES = 40;

/** Bytes that Joined reserves for heads of up to `rows` rows, beside its windows. */
export const joinedBytes = (rows: number): number => rows * JOINED_ROW_BYTES;

/**
 * A state with the rows of two, as many in each head as the first has: the ones with the best state
 * (the score that a policy left there), every token once, the first `sinks` tokens and the last
 * `recent` for certain.
 */
export class Joined implements Body {
  readonly standing: Standing;
  readonly extents: readonly Extent[];
  readonly #shapes: readonly CacheShape[];
  readonly #sinks: number;
  readonly #recent: number;
  readonly #sources: readonly [Source, Source];
  readonly #rows: Choice;
  /** Head, column and row that come next. */
  #head = -1;
  #column = 0;
  #row = 0;
  #stage = 0;
  #chosen: Int32Array = new Int32Array(0); // rows of the first, or ~ rows of the second

  private constructor(
    saved: readonly [Saved, Saved],
    shapes: readonly CacheShape[],
    options: JoinOptions,
  ) {
    this.standing = saved[0].standing;
    this.extents = saved[0].extents;
    this.#shapes = shapes;
    this.#sinks = options.sinks;
    this.#recent = this.standing.token - options.recent;
    const { rows, windows, numbers } = options;
    this.#sources = [
      new Source(saved[0], rows, windows[0], numbers, 0),
      new Source(saved[1], rows, windows[1], numbers, 8 * rows),
    ];
    this.#rows = new Choice(rows, numbers, 16 * rows);
  }

  /**
   * Undefined where they cannot be put together: other lengths of conversation, positions that were
   * made compact, each in its own way, keys that share grids, or heads with more rows than `rows`.
   */
  static of(
    first: Saved,
    second: Saved,
    shapes: readonly CacheShape[],
    options: JoinOptions,
  ): Joined | undefined {
    const [a, b] = [first.standing, second.standing];
    if (isGrouped(shapes[0].rowType) || a.token !== b.token || a.base !== b.base || a.base >= 0)
      return undefined;
    const fits = [first, second].every(({ extents }) =>
      extents.every((e) => e.lengths.every((n) => n <= options.rows)),
    );
    return fits ? new Joined([first, second], shapes, options) : undefined;
  }

  async fill(stage: number, into: Uint8Array): Promise<number> {
    const { headDim, rowType } = this.#shapes[stage];
    const columns = cacheColumns(headDim, rowType);
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#head = -1;
    }
    let filled = 0;
    for (;;) {
      if (this.#head < 0 || this.#column === columns.length) {
        if (this.#head + 1 === this.extents[stage].lengths.length) return filled;
        this.#head++;
        this.#column = 0;
        this.#row = 0;
        await this.#choose(columns);
      }
      const [name, size] = columns[this.#column];
      if (this.#row === 0) for (const source of this.#sources) source.begin(this.#column, size);
      const chosen = this.#chosen;
      for (; this.#row < chosen.length && filled + size <= into.length; this.#row++) {
        const row = chosen[this.#row];
        const source = this.#sources[row < 0 ? 1 : 0];
        const own = row < 0 ? ~row : row;
        if (name === 'positions' || name === 'state') into.set(source.own(name, own), filled);
        else {
          if (own >= source.end) await source.move(own);
          into.set(source.row(own), filled);
        }
        filled += size;
      }
      if (this.#row < chosen.length) return filled;
      if (name !== 'positions' && name !== 'state')
        for (const source of this.#sources) await source.finish();
      this.#column++;
      this.#row = 0;
    }
  }

  /** Chooses the rows of a head. */
  async #choose(columns: readonly (readonly [string, number])[]): Promise<void> {
    const counts = [];
    for (const source of this.#sources)
      counts.push(await source.open(this.#stage, this.#head, columns));
    this.#chosen = this.#rows.best(this.#sources, counts[0], this.#sinks, this.#recent);
  }
}

export interface JoinOptions {
  readonly sinks: number;
  readonly recent: number;
  /** Most rows of a head. */
  readonly rows: number;
  /** Memory that rows of the two are read into, and joinedBytes(rows) for their numbers. */
  readonly windows: readonly [Uint8Array, Uint8Array];
  readonly numbers: ArrayBuffer;
}

/** One of two states that are joined: a head of it at a time, a window of a column at a time. */
class Source {
  readonly #saved: Saved;
  readonly #window: Uint8Array;
  readonly #numbers: {
    readonly positions: Int32Array<ArrayBuffer>;
    readonly state: Float32Array<ArrayBuffer>;
  };
  #columns: readonly Section[] = [];
  #section!: Section;
  #size = 0;
  #first = 0; // rows [first, end) of the column are in the window
  #h = SEED;
  end = 0;
  count = 0;

  /** Its numbers lie at `at`, 8 bytes a row. */
  constructor(saved: Saved, rows: number, window: Uint8Array, numbers: ArrayBuffer, at: number) {
    this.#saved = saved;
    this.#window = window;
    this.#numbers = {
      positions: new Int32Array(numbers, at, rows),
      state: new Float32Array(numbers, at + 4 * rows, rows),
    };
  }

  get tokens(): Int32Array {
    return this.#numbers.positions.subarray(0, this.count);
  }

  get state(): Float32Array {
    return this.#numbers.state.subarray(0, this.count);
  }

  /** Goes on to a head: reads its tokens and states. Gives how many rows it has. */
  async open(
    stage: number,
    head: number,
    columns: readonly (readonly [string, number])[],
  ): Promise<number> {
    const all = this.#saved.sections[stage];
    this.#columns = all.slice(head * columns.length, (head + 1) * columns.length);
    this.count = this.#saved.extents[stage].lengths[head];
    for (const [column, [name]] of columns.entries()) {
      if (name !== 'positions' && name !== 'state') continue;
      const { buffer, byteOffset } = this.#numbers[name];
      const bytes = new Uint8Array(buffer, byteOffset, 4 * this.count);
      await this.#saved.read(this.#columns[column].at, bytes);
      this.#saved.check(this.#columns[column], checksum(SEED, wordsOf(bytes)));
    }
    return this.count;
  }

  /** Goes on to a column, of rows of `size` bytes. */
  begin(column: number, size: number): void {
    this.#section = this.#columns[column];
    this.#size = size;
    this.#first = 0;
    this.end = 0;
    this.#h = SEED;
  }

  /** Reads on until a row is in the window. */
  async move(row: number): Promise<void> {
    while (row >= this.end) {
      const rows = Math.min(Math.floor(this.#window.length / this.#size), this.count - this.end);
      const part = this.#window.subarray(0, rows * this.#size);
      await this.#saved.read(this.#section.at + this.end * this.#size, part);
      this.#h = checksum(this.#h, wordsOf(part));
      this.#first = this.end;
      this.end += rows;
    }
  }

  /** Reads the rest of the column, to know that all of it is right. */
  async finish(): Promise<void> {
    if (this.count > 0) await this.move(this.count - 1);
    this.#saved.check(this.#section, this.#h);
  }

  /** A row in the window. */
  row(row: number): Uint8Array {
    const at = (row - this.#first) * this.#size;
    return this.#window.subarray(at, at + this.#size);
  }

  /** A row's token or state. */
  own(name: 'positions' | 'state', row: number): Uint8Array {
    const { buffer, byteOffset } = this.#numbers[name];
    return new Uint8Array(buffer, byteOffset + 4 * row, 4);
  }
}

/** The rows of two heads whose scores are the best. */
class Choice {
  /** The union, by token: rows of the first, or ~ rows of the second. */
  readonly #union: Int32Array;
  readonly #scores: Float32Array;
  readonly #order: Uint32Array;

  /** Its numbers lie at `at`, 24 bytes a row. */
  constructor(rows: number, numbers: ArrayBuffer, at: number) {
    this.#union = new Int32Array(numbers, at, 2 * rows);
    this.#scores = new Float32Array(numbers, at + 8 * rows, 2 * rows);
    this.#order = new Uint32Array(numbers, at + 16 * rows, 2 * rows);
  }

  best(
    [first, second]: readonly [Source, Source],
    count: number,
    sinks: number,
    recent: number,
  ): Int32Array {
    const [a, b] = [first.tokens, second.tokens];
    const [p, q] = [first.state, second.state];
    const [union, scores] = [this.#union, this.#scores];
    let n = 0;
    for (let [i, j] = [0, 0]; i < a.length || j < b.length; n++) {
      const own = j === b.length || (i < a.length && a[i] <= b[j]);
      const both = own && j < b.length && a[i] === b[j];
      const token = own ? a[i] : b[j];
      union[n] = own ? i : ~j;
      scores[n] =
        token < sinks || token >= recent
          ? Number.POSITIVE_INFINITY
          : both
            ? Math.max(p[i], q[j])
            : own
              ? p[i]
              : q[j];
      if (own) i++;
      if (!own || both) j++;
    }
    const order = this.#order.subarray(0, n);
    for (let i = 0; i < n; i++) order[i] = i;
    // the union is in order of tokens, and so is what is chosen from it
    order.sort((x, y) => (scores[x] === scores[y] ? x - y : scores[y] > scores[x] ? 1 : -1));
    const best = order.subarray(0, count).sort();
    for (const [i, at] of best.entries()) union[i] = union[at];
    return union.subarray(0, count);
  }
}
