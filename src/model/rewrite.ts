// A model's file written again with other numbers in some tensors: keys and all other tensors are
// copied as they are, some rows at a time, so that no model is held in memory.
import { type WeightName, weightRowBytes, type WeightType, weightTypes } from '../backend/dtype.ts';
import { canQuantize } from '../backend/quantize.ts';
import { ModelFormatError } from '../errors.ts';
import { type ModelConfig, readConfig } from './config.ts';
import type { DownloadOptions } from './download/options.ts';
import { alignmentOf, readAnyGguf, type TensorInfo } from './gguf.ts';
import { ggufHeader, padding } from './gguf-writer.ts';
import { FIXED_BYTES, type Header } from './header.ts';
import { refuseOtherKinds } from './kind.ts';
import { type LoadProgress, readTensors } from './load.ts';
import { type ModelInput, type ModelSource, openSource } from './source.ts';
import { checkTensors } from './tensors.ts';

/** What changed matrices are stored as; 'same': as before where we can write that, else F16. */
export const mergeTypes = ['same', 'f32', 'f16', 'bf16', 'q8_0'] as const;
export type MergeType = (typeof mergeTypes)[number];

/** What a changed matrix is stored as. */
export function typeFor({ type, columns }: TensorInfo, wanted: MergeType): WeightType {
  const named = (name: WeightName) => weightTypes.find((row) => row.name === name)!;
  const row = wanted === 'same' ? type : named(wanted);
  return canQuantize(row.name) && columns % row.elements === 0 ? row : named('f16');
}

export interface NewRows {
  /** Rows `row` .. `row + rows` as they are stored, given those of the file. */
  rows(row: number, rows: number, bytes: Uint8Array): Uint8Array;
  /** Called behind the last. */
  end?(): void;
}

export interface Rewriting {
  /** What a tensor is stored as; undefined: it stays as it is. */
  typeOf(tensor: TensorInfo): WeightType | undefined;
  /** What it becomes, for those that do not stay. */
  rowsOf(tensor: TensorInfo, type: WeightType): Promise<NewRows>;
  /** Takes the file's bytes, from its first to its last; they may change once it resolves. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** What a model's file says of itself, checked. Throws as loadModel() does. */
export async function readModelHeader(
  input: ModelInput,
  { signal, ...options }: DownloadOptions = {},
): Promise<{ header: Header; tensors: readonly TensorInfo[]; config: ModelConfig }> {
  const source = await openSource(input, { signal, ...options });
  try {
    const { header, tensors } = await readAnyGguf(source, refuseOtherKinds, signal);
    const config = readConfig(header.metadata, source.name, { tensors });
    // what they are cut to is of no matter: padding behind the last token stays in the file
    checkTensors(tensors, config, source.name);
    return { header, tensors, config };
  } finally {
    await source.close();
  }
}

/** Writes a model again. Throws ModelFormatError where its file is shorter than it says. */
export async function rewriteModel(
  source: ModelSource,
  header: Header,
  tensors: readonly TensorInfo[],
  { typeOf, rowsOf, write, onProgress, signal }: Rewriting,
): Promise<void> {
  const outputs = tensors.map((tensor) => {
    const type = typeOf(tensor);
    const stored = type ?? tensor.type;
    const byteLength = tensor.rows * weightRowBytes(stored, tensor.columns);
    return { tensor, type, stored, byteLength };
  });
  const alignment = alignmentOf(header.metadata, source);
  const shapes = new Map(header.tensors.map(({ name, shape }) => [name, shape]));
  const keyBytes = header.keysEnd - FIXED_BYTES;
  const keys = {
    count: Number(header.metadata.kv_count),
    bytes: (await source.read(FIXED_BYTES, keyBytes)).slice(),
  };
  if (keys.bytes.length < keyBytes)
    throw new ModelFormatError(`${source.name}: is shorter than it was: get another copy`);
  const entries = outputs.map(({ tensor: { name }, stored, byteLength }) => ({
    name,
    shape: shapes.get(name)!,
    type: stored,
    byteLength,
  }));
  await write(ggufHeader(keys, entries, alignment));
  const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  for (const { tensor, type, byteLength } of outputs) {
    const changed = type && (await rowsOf(tensor, type));
    const put = (_: TensorInfo, row: number, rows: number, bytes: Uint8Array) =>
      write(changed ? changed.rows(row, rows, bytes) : bytes);
    await readTensors([{ source, tensors: [tensor] }], put, { signal });
    await write(padding(byteLength, alignment));
    changed?.end?.();
    done += tensor.byteLength;
    onProgress?.({ loadedBytes: done, totalBytes: total });
  }
}
