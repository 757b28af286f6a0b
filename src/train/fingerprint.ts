// A number by which a model is known again: its shape, and some rows of every tensor. A model that
// adapters were merged into differs in its layers only.
import type { Network } from '../model/forward.ts';
import { checksum } from '../cache/checksum.ts';
import { hashText } from '../math/rng.ts';
import { namedTensors } from '../model/weights.ts';
import { reserveScratch, scratchShapes } from '../model/workspace.ts';

/** Rows that it looks at in each matrix. */
const ROWS = 8;

export async function fingerprint({ backend, config, weights }: Network): Promise<number> {
  const tensors = namedTensors(weights);
  const widest = Math.max(...tensors.map(({ at }) => at.columns));
  const ids = backend.arena.allocate(ROWS * (1 + widest) * 4);
  const release = reserveScratch(backend, scratchShapes(config, 1));
  try {
    let hash = hashText(JSON.stringify(config));
    for (const { name, at } of tensors) {
      if (!('type' in at)) {
        hash = sumOf(hashText(name, hash), await backend.readFloats(at.address, at.columns));
        continue;
      }
      const rows = { address: ids + ROWS * 4, columns: at.columns };
      const count = Math.min(ROWS, at.rows);
      const step = Math.floor(at.rows / count);
      backend.write(
        ids,
        Int32Array.from({ length: count }, (_, i) => i * step),
      );
      backend.embed(rows, at, ids, count);
      const numbers = await backend.readFloats(rows.address, count * at.columns);
      hash = sumOf(hashText(`${name} ${at.type.name}`, hash), numbers);
    }
    return hash;
  } finally {
    release();
    backend.arena.free(ids);
  }
}

const sumOf = (before: number, { buffer, byteOffset, length }: Float32Array) =>
  checksum(before, new Int32Array(buffer, byteOffset, length));
