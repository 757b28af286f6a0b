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

/**
 * Reads tensors from first to last, file by file, and hands over rows `row` .. `row + rows` of one
 * at a time; the bytes are the receiver's until it is done. Throws ModelFormatError for a file that
 * was cut off, the signal's reason when aborted, and what the receiver throws.
 */
export async function readTensors(
  parts: readonly Part[],
  put: (tensor: TensorInfo, row: number, rows: number, bytes: Uint8Array) => void | Promise<void>,
  options: { onProgress?: (progress: LoadProgress) => void; signal?: AbortSignal } = {},
): Promise<void> {
  const totalBytes = fileBytes(parts.flatMap(({ tensors }) => tensors));
  let loadedBytes = 0;
  let turn = performance.now();
  const all = parts.flatMap(({ source, tensors }) =>
    tensors.map((tensor) => [source, tensor] as const),
  );
  for (const [source, tensor] of all) {
    const file = tensor.file ?? source.name;
    const rowBytes = tensor.byteLength / tensor.rows;
    const step = pieceRows(tensor);
    for (let row = 0; row < tensor.rows; row += step) {
      options.signal?.throwIfAborted();
      const rows = Math.min(step, tensor.rows - row);
      const offset = tensor.offset + row * rowBytes;
      source.forget(offset);
      const chunk = await source.read(offset, rows * rowBytes);
      if (chunk.length < rows * rowBytes) {
        throw new ModelFormatError(
          `${file}: ends inside tensor '${tensor.name}', at byte ` +
            `${offset + chunk.length}: the file was cut off, get another copy`,
        );
      }
      checkFinite(tensor, row, chunk, file);
      await put(tensor, row, rows, chunk);
      loadedBytes += rows * rowBytes;
      options.onProgress?.({ loadedBytes, totalBytes });
      if (performance.now() - turn > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turn = performance.now();
      }
    }
  }
}
