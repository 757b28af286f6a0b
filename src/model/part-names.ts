// Which part of a model in several files is which, by their names where these tell it
// (NAME-00002-of-00003.gguf), else by their headers.
import { OptionError } from '../errors.ts';
import type { DownloadOptions } from './download/options.ts';
import { readAnyGguf } from './gguf.ts';
import { splitOf } from './kind.ts';
import { locate, type ModelInput, type ModelSource } from './source.ts';

const NUMBERED = /-(\d{5})-of-(\d{5})(\.gguf)$/i;

/** The place of part `no` (from 0) of a model, by the first one's. Throws OptionError. */
export function partBeside(
  first: ModelInput,
  name: string,
  no: number,
  count: number,
): string | URL {
  const place = placeOf(first);
  const path = place instanceof URL ? place.pathname : place;
  if (path === undefined || !NUMBERED.test(path)) {
    const five = String(count).padStart(5, '0');
    const why =
      path === undefined
        ? 'bytes do not tell where the others are'
        : `its name does not end in -00001-of-${five}.gguf, from which the others' names follow`;
    throw new OptionError(
      `${name}: part 1 of ${count} of a model in several files, and ${why}: pass all ${count} ` +
        'as a list, loadModel([...])',
    );
  }
  const text = [no + 1, count].map((n) => String(n).padStart(5, '0')).join('-of-');
  const beside = path.replace(NUMBERED, `-${text}$3`);
  if (!(place instanceof URL)) return beside;
  const url = new URL(place);
  url.pathname = beside;
  return url;
}

/** A path or URL; undefined for what is its own bytes. */
function placeOf(input: ModelInput): string | URL | undefined {
  if (typeof input === 'string') return locate(input.trim());
  return Object.prototype.toString.call(input) === '[object URL]' ? (input as URL) : undefined;
}

/** Parts in the order of their numbers. Throws OptionError where one is there twice or missing. */
export async function inOrder(
  inputs: readonly ModelInput[],
  open: (place: ModelInput) => Promise<ModelSource>,
  options: DownloadOptions,
): Promise<readonly ModelInput[]> {
  if (inputs.length === 0)
    throw new OptionError('the list of parts is empty: list all files of one model');
  if (inputs.length === 1) return inputs;
  const names = inputs.map(nameOf);
  const numbers = names.map((name) => NUMBERED.exec(name ?? '')).map((m) => m && Number(m[1]) - 1);
  const areTold = numbers.every((no) => no !== null);
  const parts: Numbered[] = [];
  for (const [i, input] of inputs.entries())
    parts.push(
      areTold
        ? { input, no: numbers[i]!, name: names[i]! }
        : { input, ...(await numberOf(await open(input), options)) },
    );
  parts.sort((a, b) => a.no - b.no);
  for (const [i, { no, name }] of parts.entries()) {
    if (i > 0 && no === parts[i - 1].no)
      throw new OptionError(
        `${name} and ${parts[i - 1].name} are both part ${no + 1}: list each part once`,
      );
    if (no !== i)
      throw new OptionError(
        `part ${i + 1} is missing in the list of parts, before ${name}: add it`,
      );
  }
  return parts.map(({ input }) => input);
}

interface Numbered {
  readonly input: ModelInput;
  readonly no: number;
  readonly name: string;
}

/** What a part is called, without what may be secret in a URL. */
function nameOf(input: ModelInput): string | undefined {
  if (Object.prototype.toString.call(input) === '[object File]') return (input as File).name;
  const place = placeOf(input);
  return place instanceof URL ? place.pathname : place;
}

/** The number that a part's header has. */
async function numberOf(
  source: ModelSource,
  options: DownloadOptions,
): Promise<Omit<Numbered, 'input'>> {
  try {
    const { header } = await readAnyGguf(source, () => {}, options.signal);
    const { name } = source;
    const split = splitOf(header.metadata);
    if (split) return { no: split.no, name };
    throw new OptionError(
      `${name}: is no part of a model in several files (it has no split.count): list the parts ` +
        'of one model, and nothing else',
    );
  } finally {
    await source.close();
  }
}
