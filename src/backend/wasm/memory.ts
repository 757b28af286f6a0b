// Bytes and numbers of the memory, as they are.
import type { MemoryOps } from '../cpu/operations.ts';
import type { Context } from './context.ts';

export function memoryOps({ memory }: Context): MemoryOps {
  return {
    write(address, { buffer, byteOffset, byteLength }) {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      new Uint8Array(memory.buffer, address, byteLength).set(bytes);
    },
    async readFloats(address, count) {
      return Float32Array.from(new Float32Array(memory.buffer, address, count));
    },
    async readInts(address, count) {
      return Int32Array.from(new Int32Array(memory.buffer, address, count));
    },
    copy(to, from, count) {
      new Uint8Array(memory.buffer).copyWithin(to, from, from + count);
    },
    bytes: (address, count) => new Uint8Array(memory.buffer, address, count),
    floats: (address, count) => new Float32Array(memory.buffer, address, count),
    ints: (address, count) => new Int32Array(memory.buffer, address, count),
  };
}
