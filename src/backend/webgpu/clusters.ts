// k-means on the host: a device would have to be asked again and again, and vectors are few. It
// computes with WebAssembly, in a memory that is there only while it does.
import type { Backend } from '../backend.ts';
import { createWasmBackend } from '../wasm/backend.ts';

export const clusterOps: Pick<Backend, 'kmeans'> = {
  kmeans(vectors, options) {
    const backend = createWasmBackend({ threads: 1 });
    try {
      return backend.kmeans(vectors, options);
    } finally {
      backend.dispose();
    }
  },
};
