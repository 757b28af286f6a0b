// A model in several files (NAME-00001-of-00003.gguf, ...) behind the way to read one: the parts'
// bytes follow each other, in the order of their numbers. One part at a time has a connection, as
// pages may have few of them, and those that idle break.
import { ModelFormatError, OptionError } from '../errors.ts';
import { sum } from '../math/sum.ts';
import { clip } from './damaged.ts';
import type { DownloadOptions } from './download/options.ts';
import { optionsFor } from './download/origin.ts';
import { type Headed, readAnyGguf, type TensorInfo } from './gguf.ts';
import type { Header } from './header.ts';
import { refuseOtherKinds } from './kind.ts';
import { inOrder, partBeside } from './part-names.ts';
import {
  type CacheReport,
  filesOf,
  keeping,
  type ModelFiles,
  type ModelInput,
  type ModelSource,
  openSource,
} from './source.ts';
import { checkSplit, type Split, SPLIT_COUNT, SPLIT_TENSORS, splitOf } from './split-keys.ts';

/**
 * Opens a model for reading: one file, all of its parts in any order, or the first part, whose
 * name or URL tells those of the others. Throws as openSource() does, and OptionError for a list
 * that has a part twice, or not at all.
 */
export async function openModel(
  input: ModelFiles,
  options: DownloadOptions = {},
): Promise<ModelSource> {
  const open = (place: ModelInput) => openSource(place, optionsFor(place, input, options));
  const files = filesOf(input);
  if (files.length === 1) {
    const [place] = files;
    const first = await open(place);
    const advice = 'put it beside the first, or pass all parts as a list';
    const next = (no: number, { count }: Split) =>
      orMissing(open(partBeside(place, first.name, no, count)), first.name, no, count, advice);
    return new PartsSource([first], 1, next, options);
  }
  const parts = await inOrder(files, open, options);
  const openPart = async (no: number) => parts[no].source ?? open(parts[no].input);
  const first = await openPart(0);
  const next = async (no: number, { count }: Split) => {
    if (parts.length === count)
      return orMissing(openPart(no), first.name, no, count, 'check its place in the list');
    throw new OptionError(
      `${first.name}: its model has ${count} parts, and ${parts.length} are listed: list each ` +
        'of them once, and nothing else',
    );
  };
  const held = parts.flatMap(({ source }, no) => (no > 0 && source ? [source] : []));
  return new PartsSource([first, ...held], parts.length, next, options);
}

async function orMissing(
  opening: Promise<ModelSource>,
  first: string,
  no: number,
  count: number,
  advice: string,
): Promise<ModelSource> {
  try {
    return await opening;
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new OptionError(
      `${first}: part ${no + 1} of ${count} cannot be opened (${cause.message}): ${advice}`,
      { cause },
    );
  }
}

/** A part, and where its bytes begin and end among those of all. */
interface Part {
  readonly source: ModelSource;
  readonly start: number;
  readonly end: number;
}

class PartsSource implements ModelSource {
  readonly name: string;
  /** All that was opened. */
  readonly #sources: Set<ModelSource>;
  readonly #listed: number;
  readonly #next: (no: number, split: Split) => Promise<ModelSource>;
  readonly #signal?: AbortSignal;
  #parts: Part[];
  /** The part that is read. */
  #current: Part;

  /** `sources`: the first part, and others that are open, so that they are closed in the end. */
  constructor(
    sources: readonly ModelSource[],
    listed: number,
    next: (no: number, split: Split) => Promise<ModelSource>,
    { signal }: DownloadOptions,
  ) {
    const [source] = sources;
    this.name = source.name;
    this.#sources = new Set(sources);
    this.#listed = listed;
    this.#next = next;
    this.#signal = signal;
    this.#current = { source, start: 0, end: Number.POSITIVE_INFINITY };
    this.#parts = [this.#current];
  }

  get sizeBytes(): number {
    return sum(this.#parts.map(({ source }) => source.sizeBytes));
  }

  /** A list may have files beside what has its bytes already: then none is read so. */
  get readsInto(): boolean {
    return this.#parts.every(({ source }) => source.readsInto);
  }

  get cache(): CacheReport | undefined {
    const reports = this.#parts.flatMap(({ source }) => source.cache ?? []);
    if (reports.length <= 1) return reports[0];
    return {
      cachedBytes: sum(reports.map(({ cachedBytes }) => cachedBytes)),
      complete: reports.every(({ complete }) => complete),
      note: reports.find(({ note }) => note !== undefined)?.note,
    };
  }

  async readHeaders(keepsKeys: boolean): Promise<Headed> {
    const [{ source }] = this.#parts;
    const from = keepsKeys ? keeping(source) : source;
    const check = (header: Header, file: string) => {
      const found = splitOf(header.metadata, file);
      // (a list has all parts: one of another number is misnamed)
      if (found && this.#listed > 1) checkSplit(header.metadata, file, { ...found, no: 0 });
      refuseOtherKinds(header, file);
    };
    const { header, tensors } = await readAnyGguf(from, check, this.#signal);
    const split = splitOf(header.metadata, this.name);
    if (!split) {
      if (this.#listed === 1) return { header, tensors };
      throw new OptionError(
        `${this.name}: is a model of one file (it has no ${SPLIT_COUNT}), and stands in a list ` +
          'of parts: list the parts of one model, or pass this file alone',
      );
    }
    this.#current = { source, start: 0, end: endOf(header, tensors) };
    this.#parts = [this.#current];
    const first = tensors.map((tensor) => ({ ...tensor, file: source.name }));
    const parts: Headed[] = [{ header, tensors: first }];
    for (let no = 1; no < split.count; no++) parts.push(await this.#add(no, split));
    const all = parts.flatMap((part) => part.tensors);
    this.#checkNames(all, split);
    const entries = parts.flatMap((part) => part.header.tensors);
    return { header: { ...header, tensors: entries }, tensors: all };
  }

  /** Reads the header of a part; its tensors, at their places among all bytes. */
  async #add(no: number, split: Split): Promise<Headed> {
    const source = await this.#next(no, split);
    this.#sources.add(source);
    const check = ({ metadata }: Header, file: string) =>
      checkSplit(metadata, file, { ...split, no });
    const { header, tensors } = await readAnyGguf(source, check, this.#signal);
    await source.pause?.();
    const start = this.#parts[no - 1].end;
    this.#parts.push({ source, start, end: start + endOf(header, tensors) });
    const placed = tensors.map((t) => ({ ...t, offset: start + t.offset, file: source.name }));
    return { header, tensors: placed };
  }

  #checkNames(tensors: readonly TensorInfo[], split: Split): void {
    const files = new Map<string, string>();
    for (const { name, file } of tensors as readonly Required<TensorInfo>[]) {
      if (files.has(name))
        throw new ModelFormatError(
          `${file}: tensor '${clip(name)}' is in ${files.get(name)} too: one of them is of ` +
            'another model, get all parts of one',
        );
      files.set(name, file);
    }
    if (split.tensors !== undefined && tensors.length !== split.tensors)
      throw new ModelFormatError(
        `${this.name}: its ${split.count} parts have ${tensors.length} tensors, and ` +
          `${SPLIT_TENSORS} is ${split.tensors}: a part is of another model, get all of one`,
      );
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const part = this.#parts.find(({ end }) => offset < end) ?? this.#current;
    if (part !== this.#current) {
      await this.#current.source.pause?.();
      this.#current = part;
    }
    const bytes = await part.source.read(offset - part.start, length, into);
    if (this.#parts.length > 1 && bytes.length < length)
      throw new ModelFormatError(
        `${part.source.name}: ends at byte ${offset - part.start + bytes.length}, inside a ` +
          'tensor: the file was cut off, get another copy of this part',
      );
    return bytes;
  }

  forget(offset: number): void {
    for (const { source, start, end } of this.#parts)
      if (offset > start) source.forget(Math.min(offset, end) - start);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sources].map((source) => source.close()));
  }
}

const endOf = ({ end }: Header, tensors: readonly TensorInfo[]): number =>
  tensors.reduce((most, { offset, byteLength }) => Math.max(most, offset + byteLength), end);
