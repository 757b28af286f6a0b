// A file's tensors on their way into memory, a few rows at a time: loading holds the weights once
// and a small piece of the file, never the file twice.
import { ModelFormatError } from '../errors.ts';
import { checkFinite } from './finite.ts';
import type { TensorInfo } from './gguf.ts';
import type { ModelSource } from './source.ts';
import { fileBytes, pieceRows } from './tensors.ts';

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
  /** Once they are there, on a device: what was compiled for it so far. */
  readonly kernels?: { readonly ready: number; readonly of: number };
}

/** Tensors of a file, in the order in which they lie there. */
export interface Part {
  readonly source: ModelSource;
  readonly tensors: readonly TensorInfo[];
}

/** Milliseconds of work between two looks at other work: a page's frame is not much longer. */
const TURN_MS = 20;

/** Rows of a tensor that are read at once. */
interface Piece {
  readonly source: ModelSource;
  readonly tensor: TensorInfo;
  readonly row: number;
  readonly rows: number;
  readonly bytes: number;
}

function* piecesOf(parts: readonly Part[]): Generator<Piece, undefined> {
  for (const { source, tensors } of parts)
    for (const tensor of tensors) {
      const step = pieceRows(tensor);
      for (let row = 0; row < tensor.rows; row += step) {
        const rows = Math.min(step, tensor.rows - row);
        yield { source, tensor, row, rows, bytes: (rows * tensor.byteLength) / tensor.rows };
      }
    }
  return undefined;
}

/** Where a tensor's rows can be read to, for good; undefined where they are put elsewhere. */
export type Place = (tensor: TensorInfo, row: number, rows: number) => Uint8Array | undefined;

/** Reads pieces, each into its place or into memory that the one after the next gets again. */
function reader(place: Place = () => undefined): (piece: Piece) => Promise<Uint8Array> {
  let [own, other] = [new Uint8Array(0), new Uint8Array(0)];
  return async ({ source, tensor, row, rows, bytes }) => {
    const offset = tensor.offset + (row * tensor.byteLength) / tensor.rows;
    source.forget(offset);
    let into: Uint8Array | undefined;
    if (source.readsInto) {
      into = place(tensor, row, rows);
      if (!into) {
        if (own.length < bytes) own = new Uint8Array(bytes);
        into = own;
        [own, other] = [other, own];
      }
    }
    const chunk = await source.read(offset, bytes, into);
    if (chunk.length < bytes) {
      throw new ModelFormatError(
        `${tensor.file ?? source.name}: ends inside tensor '${tensor.name}', at byte ` +
          `${offset + chunk.length}: the file was cut off, get another copy`,
      );
    }
    return chunk;
  };
}

/**
 * Reads tensors from first to last, file by file, and hands over rows `row` .. `row + rows` of one
 * at a time; the bytes are the receiver's until it is done. Where a source fills what it is given,
 * the next piece is read meanwhile. Throws ModelFormatError for a file that was cut off, the
 * signal's reason when aborted, and what the receiver throws.
 */
export async function readTensors(
  parts: readonly Part[],
  put: (tensor: TensorInfo, row: number, rows: number, bytes: Uint8Array) => void | Promise<void>,
  options: {
    place?: Place;
    onProgress?: (progress: LoadProgress) => void;
    signal?: AbortSignal;
  } = {},
): Promise<void> {
  const { place, onProgress, signal } = options;
  const totalBytes = fileBytes(parts.flatMap(({ tensors }) => tensors));
  let loadedBytes = 0;
  let turn = performance.now();
  const pieces = piecesOf(parts);
  const read = reader(place);
  let piece = pieces.next().value;
  let ahead: Promise<Uint8Array> | undefined;
  try {
    while (piece) {
      signal?.throwIfAborted();
      const chunk = await (ahead ?? read(piece));
      const next = pieces.next().value;
      ahead = next?.source.readsInto ? read(next) : undefined;
      ahead?.catch(() => {}); // heard of when its turn comes
      const { source, tensor, row, rows, bytes } = piece;
      checkFinite(tensor, row, chunk, tensor.file ?? source.name);
      await put(tensor, row, rows, chunk);
      loadedBytes += bytes;
      onProgress?.({ loadedBytes, totalBytes });
      // (a read from a file lets others have their turn)
      if (!source.readsInto && performance.now() - turn > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turn = performance.now();
      }
      piece = next;
    }
  } finally {
    // nobody may write to memory that is given back
    await ahead?.catch(() => {});
  }
}
