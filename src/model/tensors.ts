// Which tensors a model of a configuration has, in which shapes, and which of them some of its
// layers need.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import type { TensorInfo } from './gguf.ts';
import { clip } from './damaged.ts';
import { type ExpertsMatrixSpec, fused, type MatrixSpec, type TensorSpec } from './blocks/block.ts';
import { INPUT_NORM, INPUT_PROJECTION, INPUT_TABLE } from './layer-inputs.ts';
import { nameOfPart, tensorsOfLayer, unreadOfLayer } from './layer.ts';
import { MERGE, SPREAD, streamMatrices } from './streams.ts';

/** Consecutive layers [first, end). */
export interface LayerRange {
  readonly first: number;
  readonly end: number;
}

/** Rows the backend packs together. */
export const GROUP_ROWS = 4;

export const EMBEDDING = 'token_embd.weight';
/** The norm behind the last layer. */
export const outputNormOf = ({ outputNorm = 'output_norm' }: Pick<ModelConfig, 'outputNorm'>) =>
  `${outputNorm}.weight`;
export const OUTPUT = 'output.weight';
export const ROPE_FACTORS = 'rope_freqs.weight';
/** Whether numbers are what angles of rotary pairs are divided by. */
export const isFactors = (tensor: string): boolean =>
  /^rope_(freqs|factors_\w+)\.weight$/.test(tensor);

/** Both kinds of factors, of which a model uses one, or the only kind. */
const alternatives = (factors: string): string[] =>
  /_(long|short)\.weight$/.test(factors)
    ? ['long', 'short'].map((kind) => factors.replace(/long|short/, kind))
    : [factors];

/** Whether a tensor makes the inputs that each layer has of its own. */
const isLayerInput = (tensor: string): boolean => /^per_layer_/.test(tensor);

/** Whether a tensor makes the other streams of hidden states, or mixes them again. */
const [isSpread, isMerge] = [SPREAD, MERGE].map(
  (name) => (tensor: string) => tensor.startsWith(`${name}.`),
);

/** What the names of a layer's tensors begin with. */
export const layerPrefix = (layer: number): string => `blk.${layer}.`;

/**
 * Holds a file's tensors against its metadata and gives those to be read: the file's, less what
 * nothing is computed with, and the rows of the embedding and the output that stand behind the last
 * token (padding: nothing could say what they mean). Throws ModelFormatError for one that is
 * missing or misshapen, UnsupportedError for one we would have to ignore.
 */
export function checkTensors(
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  name: string,
): TensorInfo[] {
  const wanted = wantedTensors(config);
  const checked = tensors.flatMap((info): TensorInfo | [] => {
    const shape = wanted.get(info.name);
    if (!shape) throw new UnsupportedError(`${name}: ${strange(info.name, config)}`);
    const { rows, columns, isNumbers, parts, experts } = shape;
    const byToken = [EMBEDDING, OUTPUT, INPUT_TABLE].includes(info.name);
    if (byToken && info.columns === columns && info.rows < rows) {
      throw new ModelFormatError(
        `${name}: the vocabulary has ${rows} tokens, tensor '${info.name}' rows for ` +
          `${info.rows}: get a copy whose vocabulary belongs to its weights`,
      );
    }
    // (numbers may stand in a row or in a column)
    const isOther = (info.experts ?? 1) !== (experts ?? 1) && !isNumbers;
    const isTurned = isNumbers && rows === 1 && info.columns === 1 && info.rows === columns;
    if (isOther || (!isTurned && (info.columns !== columns || (info.rows !== rows && !byToken)))) {
      throw new ModelFormatError(
        `${name}: tensor '${info.name}' is ${shapeOf(info)}, the metadata imply ` +
          shapeOf({ rows, columns, experts }),
      );
    }
    if (isNumbers && !['f32', 'f16', 'bf16'].includes(info.type.name)) {
      throw new UnsupportedError(
        `${name}: vector '${info.name}' is ${info.type.name.toUpperCase()}; vectors must be ` +
          `F32, F16 or BF16`,
      );
    }
    if (shape.isUnread) return [];
    if (shape.rowsOf) return cutRows(info, rows, shape.rowsOf, name);
    const byteLength = isTurned ? info.byteLength : (info.byteLength / info.rows) * rows;
    return {
      ...info,
      rows,
      columns,
      byteLength,
      ...(isNumbers && { isNumbers }),
      ...(parts && { parts }),
    };
  });
  const there = new Set(tensors.map((t) => t.name));
  for (const [tensor, { optional }] of wanted) {
    if (!there.has(tensor) && !optional)
      throw new ModelFormatError(`${name}: tensor '${tensor}' is missing`);
  }
  return checked;
}

/** A tensor whose rows are cut into `count` each. Throws UnsupportedError inside a block. */
function cutRows(info: TensorInfo, rows: number, count: number, file: string): TensorInfo {
  const columns = info.columns / count;
  if (columns % info.type.elements !== 0)
    throw new UnsupportedError(
      `${file}: tensor '${info.name}' has ${columns} numbers a layer, in blocks of ` +
        `${info.type.elements} (${info.type.name.toUpperCase()}): choose a file of another type`,
    );
  const byteLength = (info.byteLength / info.rows) * rows;
  return { ...info, rows: rows * count, columns, byteLength };
}

/** A shape as people write it. */
const shapeOf = ({ rows, columns, experts }: Pick<TensorInfo, 'rows' | 'columns' | 'experts'>) =>
  experts ? `[${experts}, ${rows / experts}, ${columns}]` : `[${rows}, ${columns}]`;

interface Wanted extends Pick<TensorInfo, 'rows' | 'columns' | 'isNumbers' | 'parts' | 'experts'> {
  readonly optional: boolean;
  /** Rows that each row of the file is cut into. */
  readonly rowsOf?: number;
  readonly isUnread?: boolean;
}

/** Collects what a model may have. */
function wants() {
  const wanted = new Map<string, Wanted>();
  const want = (name: string, rows: number, columns: number, more: Partial<Wanted> = {}) =>
    wanted.set(name, { rows, columns, optional: false, ...more });
  const wantMatrix = (name: string, spec: MatrixSpec, also: Partial<Wanted>) => {
    const { rows, columns, biased, part } = spec;
    const all = part ? (rows / part.count) * part.period : rows;
    const add = (tensor: string, m: number, k: number, more: Partial<Wanted>) => {
      const parts = part && [
        ...(wanted.get(tensor)?.parts ?? []),
        { ...part, name: nameOfPart(tensor, part) },
      ];
      want(tensor, m, k, { ...also, ...more, ...(parts && { parts }) });
    };
    const optional = { isNumbers: true, optional: true };
    add(`${name}.weight`, all, columns, {});
    if (biased) add(`${name}.bias`, 1, all, optional);
    want(`${name}.scale`, 1, 1, { ...also, ...optional });
  };
  const wantExperts = (name: string, { experts, rows, columns, biased }: ExpertsMatrixSpec) => {
    const optional = { isNumbers: true, optional: true };
    want(`${name}.weight`, experts * rows, columns, { experts });
    if (biased) want(`${name}.bias`, experts, rows, optional);
    want(`${name}.scale`, 1, experts, optional);
  };
  /** What stands in front of its name, if anything does. */
  const wantTensor = (prefix: string, tensor: TensorSpec, also: Partial<Wanted> = {}) => {
    const name = `${prefix}${tensor.name}`;
    if (tensor.kind === 'matrix') wantMatrix(name, tensor, also);
    else if (tensor.kind === 'experts') wantExperts(name, tensor);
    else {
      const rows = tensor.kind === 'vector' ? tensor.rows : 1;
      want(name, rows, tensor.columns, { ...also, isNumbers: true });
    }
  };
  return { wanted, want, wantTensor };
}

/** Every tensor that a model may have, by its name in the file. */
function wantedTensors(config: ModelConfig): Map<string, Wanted> {
  const { width: D, vocabulary: V, ropes, layerSpecs, output, streams = 1 } = config;
  const { wanted, want, wantTensor } = wants();
  want(EMBEDDING, V, D);
  want(outputNormOf(config), 1, D, { isNumbers: true });
  if (output !== 'tied') want(OUTPUT, V, D, { optional: output === undefined });
  for (const { factors, dims } of ropes)
    for (const name of factors ? alternatives(factors) : [])
      want(name, 1, dims / 2, { isNumbers: true, optional: true });
  if (config.layerInputs) {
    const { width } = config.layerInputs;
    // a table's row holds all layers' numbers: in memory each has a row of its own
    want(INPUT_TABLE, V, config.layers * width, { rowsOf: config.layers });
    const rows = new Array<number>(config.layers).fill(width);
    for (const tensor of fused(INPUT_PROJECTION, rows, D)) wantTensor('', tensor);
    want(INPUT_NORM, 1, width, { isNumbers: true });
  }
  for (const name of streams > 1 ? [SPREAD, MERGE] : [])
    for (const tensor of streamMatrices(name, streams, D))
      wantTensor('', tensor, { experts: streams - 1 });
  for (const [layer, spec] of layerSpecs.entries()) {
    for (const tensor of tensorsOfLayer(spec, D)) wantTensor(layerPrefix(layer), tensor);
    for (const tensor of unreadOfLayer(spec, D))
      wantTensor(layerPrefix(layer), tensor, { isUnread: true, optional: true });
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
  if (isFactors(tensor)) return true;
  if (isLayerInput(tensor) || isSpread(tensor)) return first === 0;
  if (isMerge(tensor)) return end === config.layers;
  if (tensor === EMBEDDING) return first === 0 || (tied && end === config.layers);
  if (tensor === outputNormOf(config) || tensor === OUTPUT) return end === config.layers;
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
