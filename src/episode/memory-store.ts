// A store of episodes in memory: each state takes the place of the one before it.
import { StoreError } from '../errors.ts';
import type { EpisodeStore } from './store.ts';
import { StoreWork } from './store-work.ts';

export function memoryStore(): EpisodeStore {
  /** Memory of each key, kept for its next state: states are of about the same size. */
  const held = new Map<string, { bytes: Uint8Array; size: number }>();
  const work = new StoreWork();
  return {
    kind: 'memory',
    get memoryBytes() {
      let sum = 0;
      for (const { bytes } of held.values()) sum += bytes.length;
      return sum;
    },
    get closed() {
      return work.closed;
    },
    put: (key, fill) =>
      work.run(async () => {
        let own = held.get(key);
        // what is half written is nothing
        if (own) own.size = 0;
        let at = 0;
        await fill({
          reserve(size) {
            if (own && own.bytes.length >= size) return;
            own = undefined;
            held.delete(key); // before the other is made: they never lie side by side
            own = { bytes: new Uint8Array(size), size: 0 };
            held.set(key, own);
          },
          async write(bytes) {
            work.check();
            own!.bytes.set(bytes, at);
            at += bytes.length;
          },
        });
        if (own) own.size = at;
      }),
    get: (key, use) =>
      work.run(async () => {
        const own = held.get(key);
        if (!own || own.size === 0) throw new StoreError(`no stored episode '${key}'`);
        return use({
          size: own.size,
          async read(at, into) {
            work.check();
            if (at + into.length > own.size) throw new StoreError(`${own.size} bytes are stored`);
            into.set(own.bytes.subarray(at, at + into.length));
          },
        });
      }),
    async remove(key) {
      held.delete(key);
    },
    async clear() {
      await work.close();
      held.clear();
    },
  };
}
