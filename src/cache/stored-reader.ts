// Reads a stored state (stored.ts) in parts, from wherever it lies. Nothing of it is believed
// before its checksum was right; a wrong one is a LostError.
import { checksumOfTail, SectionChecksums } from './checksum.ts';
import type { Extent } from '../backend/state.ts';
import type { CacheShape } from '../backend/cache-shape.ts';
import { sectionsOf } from '../backend/extent.ts';
import {
  headInts,
  LostError,
  readHead,
  stateBytes,
  tailInts,
  type Standing,
  type Stored,
} from './stored.ts';

/** What is put back into caches: its bytes come in order, stage by stage. */
export interface Body {
  readonly standing: Standing;
  readonly extents: readonly Extent[];
  /**
   * Fills `into` with the bytes of a stage that follow those it gave before; gives how many they
   * are.
   */
  fill(stage: number, into: Uint8Array): Promise<number>;
}

/** Where a section of the body lies, and the checksum that its bytes must have. */
export interface Section {
  readonly at: number;
  readonly bytes: number;
  readonly sum: number;
}

/** A stored state whose head and tail were right; each section is checked as it is read. */
export class StoredReader implements Body {
  readonly standing: Standing;
  readonly extents: readonly Extent[];
  /** Sections of each stage. */
  readonly sections: readonly (readonly Section[])[];
  readonly #stored: Stored;
  #stage = -1;
  #sums = new SectionChecksums([]);
  #at = 0;

  private constructor(
    stored: Stored,
    { standing, extents }: Pick<StoredReader, 'standing' | 'extents'>,
    sections: StoredReader['sections'],
  ) {
    this.#stored = stored;
    this.standing = standing;
    this.extents = extents;
    this.sections = sections;
  }

  /** Throws LostError for what is damaged, of another conversation or another shape of cache. */
  static async open(stored: Stored, shapes: readonly CacheShape[]): Promise<StoredReader> {
    const { from, tag, name } = stored;
    const refuse = (why: string): never => {
      throw new LostError(name, why);
    };
    const head = new Int32Array(headInts(shapes));
    if (from.size < head.byteLength)
      refuse(`${from.size} bytes, a header alone has ${head.byteLength}`);
    await readFrom(stored, 0, new Uint8Array(head.buffer));
    const { standing, extents } = readHead(head, shapes, tag, refuse);
    const size = stateBytes(shapes, extents);
    if (from.size !== size) refuse(`${from.size} bytes do not hold its rows, they take ${size}`);
    const tail = new Int32Array(tailInts(shapes, extents));
    await readFrom(stored, size - tail.byteLength, new Uint8Array(tail.buffer));
    if (tail[tail.length - 1] !== checksumOfTail(tail))
      refuse('the checksum of its checksums is wrong, the bytes were changed');
    let at = head.byteLength;
    let number = 0;
    const sections = shapes.map((shape, i) =>
      sectionsOf(shape, extents[i]).map((bytes) => {
        const section = { at, bytes, sum: tail[number++] };
        at += bytes;
        return section;
      }),
    );
    return new StoredReader(stored, { standing, extents }, sections);
  }

  async fill(stage: number, into: Uint8Array): Promise<number> {
    const sections = this.sections[stage];
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#sums = new SectionChecksums(sections.map(({ bytes }) => bytes));
      this.#at = sections[0].at;
    }
    const last = sections[sections.length - 1];
    const part = into.subarray(0, Math.min(into.length, last.at + last.bytes - this.#at));
    await this.read(this.#at, part);
    this.#at += part.length;
    this.#sums.add(part, (section) => this.check(sections[section], this.#sums.sums[section]));
    return part.length;
  }

  /** Fills `into` with the bytes from `at` on, which nobody has checked. */
  read(at: number, into: Uint8Array): Promise<void> {
    return readFrom(this.#stored, at, into);
  }

  /** Throws LostError where the bytes of a section have another checksum than was stored. */
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
