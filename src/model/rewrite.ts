// A model's file written again with other numbers in some tensors: keys and all other tensors are
// copied as they are, some rows at a time, so that no model is held in memory.
import { type WeightName, weightRowBytes, type WeightType, weightTypes } from '../backend/dtype.ts';
import { joined } from '../math/joined.ts';
import { canQuantize } from '../backend/quantize.ts';
import { ModelFormatError } from '../errors.ts';
import { type ModelConfig, readConfig } from './config.ts';
import { alignmentOf, type Headed, readAnyGguf, type TensorInfo } from './gguf.ts';
import { ggufHeader, type KeysOut, padding } from './gguf-writer.ts';
import type { Header } from './header.ts';
import { refuseOtherKinds } from './kind.ts';
import { type LoadProgress, readTensors } from './load.ts';
import { keeping, type ModelSource } from './source.ts';
import { splitKeys } from './split-keys.ts';
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

/**
 * What a model's file, or files, say of themselves, checked; it can be read again from its
 * beginning. Throws as loadModel() does.
 */
export async function readModelHeader(
  source: ModelSource,
  signal?: AbortSignal,
): Promise<Headed & { config: ModelConfig }> {
  const { header, tensors } = await (source.readHeaders?.(true) ??
    readAnyGguf(keeping(source), refuseOtherKinds, signal));
  const config = readConfig(header.metadata, source.name, { tensors });
  // what they are cut to is of no matter: padding behind the last token stays in the file
  checkTensors(tensors, config, source.name);
  return { header, tensors, config };
}

/** A model's keys as they stand in its file, without those that say which part it is. */
export async function readKeys(source: ModelSource, { keys }: Header): Promise<KeysOut> {
  if (keys.length === 0) return { count: 0, bytes: new Uint8Array() };
  const { begin } = keys[0];
  const length = keys[keys.length - 1].end - begin;
  const bytes = await source.read(begin, length);
  if (bytes.length < length)
    throw new ModelFormatError(`${source.name}: is shorter than it was: get another copy`);
  const kept = keys.filter(({ name }) => !splitKeys.includes(name));
  const pieces = kept.map((key) => bytes.subarray(key.begin - begin, key.end - begin));
  return { count: kept.length, bytes: joined(pieces) };
}

/** Writes a model again, as one file. Throws ModelFormatError where its own is cut off. */
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
  const keys = await readKeys(source, header);
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
