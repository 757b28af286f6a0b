// Which part of a model in several files is which, by their names where these tell it
// (NAME-00002-of-00003.gguf), else by their headers.
import { OptionError } from '../errors.ts';
import type { DownloadOptions } from './download/options.ts';
import { readAnyGguf } from './gguf.ts';
import { keeping, locate, type ModelInput, type ModelSource, tagOf } from './source.ts';
import { numbered, SPLIT_COUNT, splitOf } from './split-keys.ts';

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
    const why =
      path === undefined
        ? 'bytes do not tell where the others are'
        : `its name does not end in ${numbered(0, count)}.gguf, from which the others' follow`;
    throw new OptionError(
      `${name}: part 1 of ${count} of a model in several files, and ${why}: pass all ${count} ` +
        'as a list, loadModel([...])',
    );
  }
  const beside = path.replace(NUMBERED, `${numbered(no, count)}$3`);
  if (!(place instanceof URL)) return beside;
  const url = new URL(place);
  url.pathname = beside;
  return url;
}

/** A path or URL; undefined for what is its own bytes. */
function placeOf(input: ModelInput): string | URL | undefined {
  if (typeof input === 'string') return locate(input.trim());
  return tagOf(input) === 'URL' ? (input as URL) : undefined;
}

/** What a part is called, without what may be secret in a URL. */
function nameOf(input: ModelInput): string | undefined {
  if (tagOf(input) === 'File') return (input as File).name;
  const place = placeOf(input);
  return place instanceof URL ? place.pathname : place;
}

/** One of a list of parts. */
export interface Listed {
  readonly input: ModelInput;
  readonly no: number;
  readonly name: string;
  /** Open, where its header had to be read; it can be read again from its beginning. */
  readonly source?: ModelSource;
}

/**
 * Parts in the order of their numbers. Throws OptionError where one is there twice or missing;
 * nothing stays open then.
 */
export async function inOrder(
  inputs: readonly ModelInput[],
  open: (input: ModelInput) => Promise<ModelSource>,
  { signal }: DownloadOptions,
): Promise<readonly Listed[]> {
  if (inputs.length === 0)
    throw new OptionError('the list of parts is empty: list all files of one model');
  const named = inputs.map((input) => {
    const name = nameOf(input) ?? '';
    const [, number] = NUMBERED.exec(name) ?? [];
    return number === undefined ? undefined : { input, name, no: Number(number) - 1 };
  });
  const parts: Listed[] = named.filter((part) => part !== undefined);
  if (parts.length === inputs.length) return checkOrder(parts);
  const sources: ModelSource[] = [];
  try {
    parts.length = 0;
    for (const input of inputs) {
      const source = await open(input);
      sources.push(source);
      parts.push({ input, source, name: source.name, no: await numberIn(source, signal) });
    }
    return checkOrder(parts);
  } catch (error) {
    for (const source of sources) await source.close();
    throw error;
  }
}

function checkOrder(parts: readonly Listed[]): readonly Listed[] {
  const sorted = [...parts].sort((a, b) => a.no - b.no);
  for (const [i, { no, name }] of sorted.entries()) {
    if (i > 0 && no === sorted[i - 1].no)
      throw new OptionError(
        `${name} and ${sorted[i - 1].name} are both part ${no + 1}: list each part once`,
      );
    if (no !== i)
      throw new OptionError(
        `part ${i + 1} is missing in the list of parts, before ${name}: add it`,
      );
  }
  return sorted;
}

/** The number that a part's header has. */
async function numberIn(source: ModelSource, signal?: AbortSignal): Promise<number> {
  const { header } = await readAnyGguf(keeping(source), () => {}, signal);
  await source.pause?.();
  const split = splitOf(header.metadata, source.name);
  if (split) return split.no;
  throw new OptionError(
    `${source.name}: is no part of a model in several files (it has no ${SPLIT_COUNT}): list the ` +
      'parts of one model, and nothing else',
  );
}
