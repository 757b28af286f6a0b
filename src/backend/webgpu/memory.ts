// Numbers and bytes into the device's memory, and back.
import type { Backend } from '../backend.ts';
import type { Address } from '../tensor.ts';
import { bufferNumber, wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';

type MemoryOps = Pick<Backend, 'write' | 'copy' | 'readFloats' | 'readInts'>;

export function memoryOps(recorder: Recorder): MemoryOps {
  return {
    write: (address, data) => recorder.write(address, data),

    copy(to: Address, from: Address, count: number) {
      if (count % 4 !== 0) throw new RangeError(`${count} bytes are copied, not whole words`);
      if (bufferNumber(to) !== bufferNumber(from))
        throw new RangeError('bytes are copied within one buffer only');
      const params = [word(to), word(from), count / 4];
      if (count > 0) recorder.dispatch(recorder.kernels.get('copy', 'w'), [to], params, 1);
    },

    readFloats: async (address, count) => new Float32Array(await recorder.read(address, count * 4)),
    readInts: async (address, count) => new Int32Array(await recorder.read(address, count * 4)),
  };
}
