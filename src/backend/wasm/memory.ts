// Bytes and numbers of the memory, as they are.
import type { Backend } from '../backend.ts';
import type { Context } from './context.ts';

export function memoryOps({
  memory,
}: Context): Pick<Backend, 'write' | 'moveBytes' | 'bytes' | 'floats' | 'ints'> {
  return {
    write(address, bytes) {
      new Uint8Array(memory.buffer, address, bytes.length).set(bytes);
    },
    moveBytes(to, from, count) {
      new Uint8Array(memory.buffer).copyWithin(to, from, from + count);
    },
    bytes: (address, count) => new Uint8Array(memory.buffer, address, count),
    floats: (address, count) => new Float32Array(memory.buffer, address, count),
    ints: (address, count) => new Int32Array(memory.buffer, address, count),
  };
}
