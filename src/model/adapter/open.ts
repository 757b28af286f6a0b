// Adapters on their way from where they lie to a model: opened, held against it, read once, and
// then given as tensors that are loaded behind the model's own. Nothing is reserved here.
import { ModelFormatError, OptionError, RecollectError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import type { DownloadOptions } from '../download/options.ts';
import { optionsFor, urlOf } from '../download/origin.ts';
import type { TensorInfo } from '../gguf.ts';
import type { Part } from '../load.ts';
import { type ModelFiles, type ModelInput, type ModelSource, openSource } from '../source.ts';
import { checkPairs, scanPairs, tensorsIn } from './check.ts';
import { readGgufAdapter } from './gguf-adapter.ts';
import type { AdapterOption } from './option.ts';
import { inGgufOrder } from './order.ts';
import type { ScaledPair } from './pairs.ts';
import { readPeftAdapter } from './peft.ts';
import { type AdapterSpec, tensorOf } from './spec.ts';

/** What adapters are for. */
export interface AdapterBase {
  /** Where the model is. */
  readonly input: ModelFiles;
  readonly config: ModelConfig;
  /** The model's tensors. */
  readonly tensors: readonly TensorInfo[];
}

/** An adapter's pairs, and where their numbers come from. */
export interface OpenAdapter {
  /** Reads of it find rows in GGUF's order. */
  readonly source: ModelSource;
  readonly pairs: readonly ScaledPair[];
  readonly spec: AdapterSpec;
}

export const PEFT_MODEL = 'adapter_model.safetensors';
export const PEFT_CONFIG = 'adapter_config.json';
/** Names of target modules are most of it. */
const MAX_CONFIG_BYTES = 1 << 22;

/**
 * Opens adapters and checks them against a model, in their order. Throws OptionError for another
 * model's, for one that is listed twice and for what leads nowhere, ModelFormatError for damaged
 * ones, UnsupportedError for what we would have to leave out. Nothing stays open then.
 */
export async function openAdapters(
  choices: readonly AdapterOption[],
  base: AdapterBase,
  options: DownloadOptions = {},
): Promise<OpenAdapter[]> {
  const open: OpenAdapter[] = [];
  try {
    for (const choice of choices)
      open.push(await openAdapter(choice, base, optionsFor(choice.source, base.input, options)));
    return open;
  } catch (error) {
    await closeAdapters(open);
    throw error;
  }
}

export async function closeAdapters(adapters: readonly OpenAdapter[]): Promise<void> {
  for (const { source } of adapters) await source.close();
}

/** What has to be loaded of an adapter that is number `i` of its model. */
export function partOf({ source, pairs, spec }: OpenAdapter, i: number): Part {
  const loaded = new Set(spec.pairs.map(({ matrix }) => matrix));
  const held = pairs.map(({ matrix, a, b, parts, ...pair }) => ({
    ...{ ...pair, matrix },
    a: { ...a, name: tensorOf(matrix, 'lora_a', i) },
    b: {
      ...{ ...b, name: tensorOf(matrix, 'lora_b', i) },
      parts: parts?.map((part) => ({ ...part, name: tensorOf(part.name, 'lora_b', i) })),
    },
  }));
  return { source, tensors: tensorsIn(held.filter(({ matrix }) => loaded.has(matrix))) };
}

async function openAdapter(
  choice: AdapterOption,
  base: AdapterBase,
  options: DownloadOptions,
): Promise<OpenAdapter> {
  const { file, place } = await openFile(choice.source, options);
  const { scale: by = 1 } = choice;
  try {
    const { source, pairs } = await readPairs(file, place, choice, base, options);
    checkPairs(pairs, base.tensors, base.config, file.name);
    const checksum = await scanPairs(source, pairs, options.signal);
    const scaled = pairs.map(({ matrix, rank, scale }) => {
      if (Number.isFinite(Math.fround(scale * by))) return { matrix, rank, scale: scale * by };
      throw new ModelFormatError(
        `${file.name}: '${matrix}' would be scaled by ${scale} x ${by}: lower the scale`,
      );
    });
    const spec = { name: file.name, scale: by, pairs: by === 0 ? [] : scaled, checksum };
    const partsOf = new Map(base.tensors.map(({ name, parts }) => [name, parts]));
    const apart = pairs.map((pair) => ({ ...pair, parts: partsOf.get(pair.matrix) }));
    return { source, pairs: apart, spec };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a file, or PEFT's in a folder, and says where it was. */
async function openFile(
  input: ModelInput,
  options: DownloadOptions,
): Promise<{ file: ModelSource; place: ModelInput }> {
  try {
    return { file: await openSource(input, options), place: input };
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    const isFolder = error instanceof RecollectError && cause?.code === 'EISDIR';
    if (!isFolder) throw error;
    const place = `${String(input).replace(/[\\/]+$/, '')}/${PEFT_MODEL}`;
    return { file: await openSource(place, options), place };
  }
}

/** A file's pairs, whatever its format, and a source that has their rows in GGUF's order. */
async function readPairs(
  file: ModelSource,
  place: ModelInput,
  choice: AdapterOption,
  { config }: AdapterBase,
  options: DownloadOptions,
): Promise<{ source: ModelSource; pairs: ScaledPair[] }> {
  const head = new Uint8Array(await file.read(0, 10));
  // a JSON header behind its length, which no file fills all bytes of
  if (!(head.length > 9 && head[7] === 0 && head[8] === 0x7b))
    return {
      source: file,
      pairs: await readGgufAdapter(file, config.architecture, options.signal),
    };
  const from = choice.config ?? besideOf(place, file.name);
  const { text, name } = await readConfigText(from, options);
  const { pairs, reordered } = await readPeftAdapter(file, text, name, config);
  return { source: inGgufOrder(file, reordered), pairs };
}

/** The configuration beside a file. Throws OptionError where there is no beside. */
function besideOf(place: ModelInput, name: string): string | URL {
  const url = urlOf(place);
  if (url) return new URL(`${PEFT_CONFIG}${url.search}`, url);
  if (typeof place !== 'string' || /^(data|blob):/i.test(place))
    throw new OptionError(
      `${name}: PEFT's files need their ${PEFT_CONFIG}, which says what they are scaled by: pass ` +
        `it as \`config\``,
    );
  return place.replace(/[^\\/]*$/, PEFT_CONFIG);
}

async function readConfigText(
  from: ModelInput,
  options: DownloadOptions,
): Promise<{ text: string; name: string }> {
  const source = await openSource(from, options);
  try {
    const bytes = await source.read(0, MAX_CONFIG_BYTES + 1);
    if (bytes.length > MAX_CONFIG_BYTES)
      throw new ModelFormatError(
        `${source.name}: longer than ${MAX_CONFIG_BYTES} bytes, expected PEFT's ${PEFT_CONFIG}`,
      );
    return { text: new TextDecoder().decode(new Uint8Array(bytes)), name: source.name };
  } finally {
    await source.close();
  }
}
