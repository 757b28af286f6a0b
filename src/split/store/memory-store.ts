// Halves of trainings in this process' memory: they outlive their clients, and not the server.
import { type Bytes, type SplitStore, tooLarge } from './store.ts';

export function memorySplitStore(): SplitStore {
  const held = new Map<string, { version: number; bytes: Bytes }>();
  const own = (id: string, version: number) => (held.get(id)?.version ?? 0) === version;
  return {
    async claim(id) {
      const found = held.get(id);
      return found && ++found.version;
    },
    async get(id, mostBytes) {
      const bytes = held.get(id)?.bytes;
      if (bytes && bytes.length > mostBytes) throw tooLarge(id, bytes.length, mostBytes);
      return bytes?.slice();
    },
    async put(id, version, bytes) {
      if (!own(id, version)) return false;
      held.set(id, { version: version + 1, bytes: bytes.slice() });
      return true;
    },
    async renew(id, version) {
      return held.has(id) && own(id, version);
    },
    async remove(id, version) {
      if (own(id, version)) held.delete(id);
    },
    async close() {
      held.clear();
    },
  };
}
