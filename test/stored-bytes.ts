// Stored states as plain bytes, for tests that look at them or damage them.
import type { CpuCache } from '../src/backend/cpu/cache.ts';
import type { BytesIn, BytesOut, Standing, Stored, Tag } from '../src/cache/stored.ts';
import { Desk, onlyStage } from '../src/engine/saved.ts';

export const tag: Tag = [1, -2, 3, 4];

/** Bytes that were written, once `fill` is done. */
export async function bytesFrom(
  fill: (out: BytesOut) => Promise<void>,
): Promise<Uint8Array<ArrayBuffer>> {
  let [bytes, at] = [new Uint8Array(0), 0];
  await fill({
    reserve(size) {
      bytes = new Uint8Array(size);
    },
    async write(part) {
      bytes.set(part, at);
      at += part.length;
    },
  });
  if (at !== bytes.length) throw new Error(`${at} bytes were written, ${bytes.length} announced`);
  return bytes;
}

export function bytesIn(bytes: Uint8Array): BytesIn {
  return {
    size: bytes.length,
    async read(at, into) {
      if (at + into.length > bytes.length) throw new Error('there are no such bytes');
      into.set(bytes.subarray(at, at + into.length));
    },
  };
}

export const stored = (bytes: Uint8Array, name = 'saved'): Stored => ({
  from: bytesIn(bytes),
  tag,
  name,
});

/** Saves and restores one cache, through pieces of so many bytes. */
export function deskOf(cache: CpuCache, pieceBytes = 64, joinedRows = 1000, sinks = 0): Desk {
  return new Desk(
    onlyStage(() => cache),
    [cache.shape],
    { pieceBytes, joinedRows, sinks },
  );
}

export const takeBytes = (cache: CpuCache, standing: Standing, pieceBytes?: number) =>
  bytesFrom((out) => deskOf(cache, pieceBytes).save(standing, tag, out));

/** Puts bytes back; where the cache stands then. */
export async function putBack(
  cache: CpuCache,
  bytes: Uint8Array,
  name = 'x',
  pieceBytes?: number,
): Promise<Standing> {
  const { token, base, rebasedAt } = await deskOf(cache, pieceBytes).restore(stored(bytes, name));
  return { token, base, rebasedAt };
}
