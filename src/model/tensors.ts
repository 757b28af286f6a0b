// Which tensors a model of a configuration has, in which shapes, and which of them some of its
// layers need.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import type { TensorInfo } from './gguf.ts';
import { clip } from './damaged.ts';
import { tensorsOfLayer } from './layer.ts';

/** Consecutive layers [first, end). */
export interface LayerRange {
  readonly first: number;
  readonly end: number;
}

/** Rows the backend packs together. */
export const GROUP_ROWS = 4;

export const EMBEDDING = 'token_embd.weight';
export const OUTPUT_NORM = 'output_norm.weight';
export const OUTPUT = 'output.weight';
export const ROPE_FACTORS = 'rope_freqs.weight';

/** What the names of a layer's tensors begin with. */
export const layerPrefix = (layer: number): string => `blk.${layer}.`;

/** Whether a tensor is a vector, kept as f32; the others are matrices, kept as they are stored. */
export const isVector = (tensor: string): boolean =>
  /(norm\.weight|\.bias)$/.test(tensor) || tensor === ROPE_FACTORS;

/**
 * Holds a file's tensors against its metadata and gives those to be read: the file's, less the
 * rows of the embedding and the output that stand behind the last token (padding: nothing could
 * say what they mean). Throws ModelFormatError for one that is missing or misshapen,
 * UnsupportedError for one we would have to ignore.
 */
export function checkTensors(
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  name: string,
): TensorInfo[] {
  const wanted = wantedTensors(config);
  const checked = tensors.map((info): TensorInfo => {
    const shape = wanted.get(info.name);
    if (!shape) throw new UnsupportedError(`${name}: ${strange(info.name, config)}`);
    const { rows, columns } = shape;
    const byToken = info.name === EMBEDDING || info.name === OUTPUT;
    if (byToken && info.columns === columns && info.rows < rows) {
      throw new ModelFormatError(
        `${name}: the vocabulary has ${rows} tokens, tensor '${info.name}' rows for ` +
          `${info.rows}: get a copy whose vocabulary belongs to its weights`,
      );
    }
    if (info.columns !== columns || (info.rows !== rows && !byToken)) {
      throw new ModelFormatError(
        `${name}: tensor '${info.name}' is [${info.rows}, ${info.columns}], the metadata imply ` +
          `[${rows}, ${columns}]`,
      );
    }
    if (isVector(info.name) && !['f32', 'f16', 'bf16'].includes(info.type.name)) {
      throw new UnsupportedError(
        `${name}: vector '${info.name}' is ${info.type.name.toUpperCase()}; vectors must be ` +
          `F32, F16 or BF16`,
      );
    }
    return info.rows === rows
      ? info
      : { ...info, rows, byteLength: (info.byteLength / info.rows) * rows };
  });
  const there = new Set(tensors.map((t) => t.name));
  for (const [tensor, { optional }] of wanted) {
    if (!there.has(tensor) && !optional)
      throw new ModelFormatError(`${name}: tensor '${tensor}' is missing`);
  }
  return checked;
}

interface Wanted {
  readonly rows: number;
  readonly columns: number;
  readonly optional: boolean;
}

/** Every tensor that a model may have, by its name in the file. */
function wantedTensors({
  width: D,
  vocabulary: V,
  ropes,
  layerSpecs,
}: ModelConfig): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const want = (name: string, rows: number, columns: number, optional = false) =>
    wanted.set(name, { rows, columns, optional });
  want(EMBEDDING, V, D);
  want(OUTPUT_NORM, 1, D);
  want(OUTPUT, V, D, true);
  for (const { factors, dims } of ropes) if (factors) want(ROPE_FACTORS, 1, dims / 2, true);
  for (const [layer, spec] of layerSpecs.entries()) {
    for (const tensor of tensorsOfLayer(spec, D)) {
      const name = `${layerPrefix(layer)}${tensor.name}`;
      want(`${name}.weight`, tensor.kind === 'matrix' ? tensor.rows : 1, tensor.columns);
      if (tensor.kind === 'matrix' && tensor.biased) want(`${name}.bias`, 1, tensor.rows, true);
    }
  }
  return wanted;
}

/** Why a tensor cannot be there. */
function strange(tensor: string, { architecture, layers }: ModelConfig): string {
  const label = `tensor '${clip(tensor)}'`;
  const layer = Number(/^blk\.(\d+)\./.exec(tensor)?.[1] ?? -1);
  if (layer >= layers)
    return (
      `${label} belongs to layer ${layer}, '${architecture}.block_count' is ` +
      `${layers}: get a copy that agrees with itself`
    );
  const what = /\.(input_)?scale$/.test(tensor)
    ? ' (a scale of NVFP4 or the like)'
    : tensor.endsWith('.bias')
      ? ' (a bias)'
      : '';
  return (
    `${label}${what} is not part of a ${architecture} model as we run it; ` +
    `leaving it out would change the answers: choose a plain ${architecture} model`
  );
}

/**
 * Whether layers [first, end) need a tensor: their own, what comes before the first layer of all,
 * what comes behind the last.
 */
function needs(
  { first, end }: LayerRange,
  tensor: string,
  config: ModelConfig,
  tied: boolean,
): boolean {
  if (tensor === ROPE_FACTORS) return true;
  if (tensor === EMBEDDING) return first === 0 || (tied && end === config.layers);
  if (tensor === OUTPUT_NORM || tensor === OUTPUT) return end === config.layers;
  const layer = Number(tensor.split('.')[1]);
  return layer >= first && layer < end;
}

/** The tensors that layers [first, end) need, in the order they lie in the file. */
export function tensorsOf(
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  range: LayerRange,
): TensorInfo[] {
  const tied = !tensors.some((t) => t.name === OUTPUT);
  return tensors.filter((t) => needs(range, t.name, config, tied));
}

/** Bytes that tensors take in the file. */
export function fileBytes(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, t) => sum + t.byteLength, 0);
}

/** Bytes of a file read at once: enough to keep a disk busy, little beside any model. */
const CHUNK_BYTES = 1 << 20;

/** Rows of a tensor read at once: whole groups. */
export function pieceRows({ byteLength, rows }: TensorInfo): number {
  const most = Math.floor(CHUNK_BYTES / (byteLength / rows) / GROUP_ROWS) * GROUP_ROWS;
  return Math.min(rows, Math.max(GROUP_ROWS, most));
}
