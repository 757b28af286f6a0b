// A model in several files (NAME-00001-of-00003.gguf, ...) behind the way to read one: the parts'
// bytes follow each other, in the order of their numbers. One part is open at a time, as pages may
// have few connections to a server.
import { ModelFormatError, OptionError } from '../errors.ts';
import { sum } from '../math/sum.ts';
import { clip } from './damaged.ts';
import type { DownloadOptions } from './download/options.ts';
import { optionsFor } from './download/origin.ts';
import { readAnyGguf, type TensorInfo } from './gguf.ts';
import type { Header } from './header.ts';
import { checkSplit, type Split, splitOf } from './kind.ts';
import { inOrder, partBeside } from './part-names.ts';
import {
  type CacheReport,
  type ModelFiles,
  type ModelInput,
  type ModelSource,
  openSource,
} from './source.ts';

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
  const places = isList(input) ? await inOrder(input, open, options) : undefined;
  const place = places ? places[0] : (input as ModelInput);
  const first = await open(place);
  const placeOf = (no: number, { count }: Split) => {
    if (places && places.length !== count)
      throw new OptionError(
        `${first.name}: its model has ${count} parts, and ${places.length} are listed: list each ` +
          'of them once, and nothing else',
      );
    return places ? places[no] : partBeside(place, first.name, no, count);
  };
  const isWholeList = places !== undefined && places.length > 1;
  return new PartsSource({ place, source: first }, placeOf, isWholeList, open, options);
}

const isList = (input: ModelFiles): input is readonly ModelInput[] => Array.isArray(input);

interface OpenPart {
  readonly place: ModelInput;
  /** Open or closed. */
  source: ModelSource;
  /** Bytes that were kept of it before this load. */
  readonly cachedBytes: number;
  /** Where it begins among all parts' bytes, and where its last tensor ends. */
  readonly start: number;
  readonly end: number;
  /** What its header says of its tensors, to know it again. */
  readonly listed: string;
}

class PartsSource implements ModelSource {
  readonly name: string;
  readonly #placeOf: (no: number, split: Split) => ModelInput;
  readonly #mustBeParts: boolean;
  readonly #openPlace: (place: ModelInput) => Promise<ModelSource>;
  readonly #options: DownloadOptions;
  readonly #parts: OpenPart[];
  /** The part that is open. */
  #current: OpenPart;

  constructor(
    { place, source }: Pick<OpenPart, 'place' | 'source'>,
    placeOf: (no: number, split: Split) => ModelInput,
    mustBeParts: boolean,
    open: (place: ModelInput) => Promise<ModelSource>,
    options: DownloadOptions,
  ) {
    this.name = source.name;
    this.#placeOf = placeOf;
    this.#mustBeParts = mustBeParts;
    this.#openPlace = open;
    this.#options = options;
    const cachedBytes = source.cache?.cachedBytes ?? 0;
    const end = Number.POSITIVE_INFINITY;
    this.#current = { place, source, cachedBytes, start: 0, end, listed: '' };
    this.#parts = [this.#current];
  }

  get sizeBytes(): number {
    return sum(this.#parts.map(({ source }) => source.sizeBytes));
  }

  get cache(): CacheReport | undefined {
    const reports = this.#parts.flatMap(({ source }) => source.cache ?? []);
    if (reports.length === 0) return undefined;
    const note = reports.find((report) => report.note)?.note;
    return {
      cachedBytes: sum(this.#parts.map((part) => part.cachedBytes)),
      complete: reports.every(({ complete }) => complete),
      ...(note !== undefined && { note }),
    };
  }

  async join(header: Header, tensors: readonly TensorInfo[]): Promise<readonly TensorInfo[]> {
    const split = splitOf(header.metadata);
    if (!split) {
      if (!this.#mustBeParts) return tensors;
      throw new OptionError(
        `${this.name}: is a model of one file (it has no split.count), and stands in a list of ` +
          'parts: list the parts of one model, or pass this file alone',
      );
    }
    const [{ place, source, cachedBytes }] = this.#parts;
    this.#current = this.#parts[0] = {
      ...{ place, source, cachedBytes, start: 0 },
      ...{ end: endOf(header, tensors), listed: listOf(tensors) },
    };
    const all: TensorInfo[] = tensors.map((tensor) => ({ ...tensor, file: source.name }));
    for (let no = 1; no < split.count; no++) all.push(...(await this.#add(no, split)));
    this.#checkNames(all, split);
    return all;
  }

  /** Reads the header of a part; its tensors, at their places among all bytes. */
  async #add(no: number, split: Split): Promise<TensorInfo[]> {
    const place = this.#placeOf(no, split);
    const source = await this.#openPlace(place).catch((cause) => {
      if (!(cause instanceof OptionError)) throw cause;
      throw new OptionError(
        `${this.name}: part ${no + 1} of ${split.count} is missing (${cause.message}): put it ` +
          'beside the first, or pass all parts as a list',
        { cause },
      );
    });
    try {
      const check = ({ metadata }: Header, file: string) =>
        checkSplit(metadata, file, { ...split, no });
      const { header, tensors } = await readAnyGguf(source, check, this.#options.signal);
      const start = this.#parts[no - 1].end;
      const end = start + endOf(header, tensors);
      const cachedBytes = source.cache?.cachedBytes ?? 0;
      this.#parts.push({ place, source, cachedBytes, start, end, listed: listOf(tensors) });
      return tensors.map((t) => ({ ...t, offset: start + t.offset, file: source.name }));
    } finally {
      await source.close();
    }
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
          `split.tensors.count is ${split.tensors}: a part is of another model, get all of one`,
      );
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const part = this.#parts.find(({ end }) => offset < end) ?? this.#current;
    if (part !== this.#current) await this.#open(part);
    const bytes = await part.source.read(offset - part.start, length);
    if (this.#parts.length > 1 && bytes.length < length)
      throw new ModelFormatError(
        `${part.source.name}: ends at byte ${offset - part.start + bytes.length}, inside a ` +
          'tensor: the file was cut off, get another copy of this part',
      );
    return bytes;
  }

  /** Goes over to another part, which must be what it was when its header was read. */
  async #open(part: OpenPart): Promise<void> {
    await this.#current.source.close();
    part.source = await this.#openPlace(part.place);
    this.#current = part;
    const { tensors } = await readAnyGguf(part.source, () => {}, this.#options.signal);
    if (listOf(tensors) !== part.listed)
      throw new OptionError(
        `${part.source.name}: the file changed while the model was loaded: load it again`,
      );
  }

  forget(offset: number): void {
    const { source, start, end } = this.#current;
    if (offset >= start && offset < end) source.forget(offset - start);
  }

  close(): Promise<void> {
    return this.#current.source.close();
  }
}

const endOf = ({ end }: Header, tensors: readonly TensorInfo[]): number =>
  tensors.reduce((most, { offset, byteLength }) => Math.max(most, offset + byteLength), end);

const listOf = (tensors: readonly TensorInfo[]): string =>
  tensors
    .map(({ name, type, rows, columns, offset }) =>
      [name, type.name, rows, columns, offset].join(' '),
    )
    .join('\n');
