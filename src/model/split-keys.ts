// What the keys of a file say of a model in several files: which part it is (split.no,
// split.count), and how many tensors all of them have (split.tensors.count). The first part has the
// model's keys too, the others have these alone.
import { ModelFormatError, OptionError } from '../errors.ts';
import type { Header } from './header.ts';

type Metadata = Header['metadata'];

/** Which part of a model a file is. */
export interface Split {
  /** From 0. */
  readonly no: number;
  readonly count: number;
  /** Of all parts; undefined where the file does not say. */
  readonly tensors?: number;
}

export const SPLIT_NO = 'split.no';
export const SPLIT_COUNT = 'split.count';
export const SPLIT_TENSORS = 'split.tensors.count';
export const splitKeys: readonly string[] = [SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS];

/** How the name of a part ends, before .gguf. */
export const numbered = (no: number, count: number): string =>
  `-${[no + 1, count].map((n) => String(n).padStart(5, '0')).join('-of-')}`;

/** What a file says of its part; undefined where it is the only one. Throws ModelFormatError. */
export function splitOf(metadata: Metadata, file: string): Split | undefined {
  const [no = 0, count = 1, tensors] = splitKeys.map((key) => {
    const value = metadata[key];
    if (value === undefined || typeof value === 'number') return value;
    return typeof value === 'bigint' ? Number(value) : Number.NaN;
  });
  if (count === 0 || count === 1) return undefined;
  if (Number.isInteger(count) && Number.isInteger(no) && no >= 0 && no < count)
    return { no, count, tensors };
  throw new ModelFormatError(
    `${file}: ${SPLIT_NO} is ${no} and ${SPLIT_COUNT} ${count}, expected whole numbers of which ` +
      'the first is smaller: get another copy',
  );
}

/** Throws OptionError where a file is not the part that is expected in its place. */
export function checkSplit(metadata: Metadata, file: string, expected: Split): void {
  const found = splitOf(metadata, file);
  const part = ({ no, count }: Split) => `part ${no + 1} of ${count}`;
  const mustBe = `expected ${part(expected)} (${SPLIT_NO}, ${SPLIT_COUNT})`;
  if (!found) throw new OptionError(`${file}: no part of a model, ${mustBe}: get that file`);
  if (found.no !== expected.no || found.count !== expected.count)
    throw new OptionError(
      `${file}: ${part(found)}, ${mustBe}: name the parts as they were, ` +
        `NAME${numbered(0, found.count)}.gguf and so on`,
    );
  if (found.tensors !== expected.tensors)
    throw new OptionError(
      `${file}: a part of another model (${SPLIT_TENSORS} is ${found.tensors}, in the first ` +
        `part ${expected.tensors}): get all parts of one model`,
    );
}
