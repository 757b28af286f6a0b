// A number by which a model is known again: its shape, and some of its weights.
import type { Network } from '../model/forward.ts';
import { hashText } from '../math/rng.ts';
import { scratchShape } from '../model/workspace.ts';

/** Rows of the embedding that it looks at. */
const ROWS = 8;

export async function fingerprint({ backend, config, weights }: Network): Promise<number> {
  const D = config.width;
  const ids = backend.arena.allocate(ROWS * (1 + D) * 4);
  const release = backend.reserveScratch(scratchShape(config, 1));
  try {
    const rows = { address: ids + ROWS * 4, columns: D };
    const count = Math.min(ROWS, config.vocabulary);
    const step = Math.floor(config.vocabulary / count);
    backend.write(
      ids,
      Int32Array.from({ length: count }, (_, i) => i * step),
    );
    backend.embed(rows, weights.embedding!, ids, count);
    const numbers = await backend.readFloats(rows.address, count * D);
    const norm = await backend.readFloats(weights.outputNorm!.address, D);
    return hashText(`${JSON.stringify(config)} ${numbers.join()} ${norm.join()}`);
  } finally {
    release();
    backend.arena.free(ids);
  }
}
