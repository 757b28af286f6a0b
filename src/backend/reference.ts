// Every operation as a plain loop in f64: the definition that other backends are held against, a
// file a group. Slow, and made to be read. Its memory is an ArrayBuffer of fixed size; weights are
// kept as the f32 numbers they stand for, cache rows as the backend type says.
import { createArena } from './arena.ts';
import type { CpuBackend } from './cpu/memory.ts';
import { cacheOps } from './cpu/operations.ts';
import { createSelect } from './cpu/select.ts';
import { attentionOps } from './reference/attention.ts';
import { clusterOps } from './reference/clusters.ts';
import { denseAttentionOps } from './reference/dense-attention.ts';
import { elementGradients, elementOps } from './reference/elements.ts';
import { expertOps } from './reference/experts.ts';
import { lookOps } from './reference/looks.ts';
import { lossOps } from './reference/loss.ts';
import { createMemory, memoryOps } from './reference/memory.ts';
import { productGradients, productOps } from './reference/products.ts';
import { recurrentOps } from './reference/recurrent.ts';
import { rowOps } from './reference/rows.ts';
import { scoreOps } from './reference/scores.ts';
import { scoringOps } from './reference/scoring.ts';
import { chooseOps, selectOps } from './reference/select.ts';
import { streamOps } from './reference/streams.ts';
import { DeviceError } from '../errors.ts';

const DEFAULT_BYTES = 64 << 20;

/** `wide`: numbers are not rounded to f32 where they are kept (not cached rows, see memory.ts). */
export function createReferenceBackend(bytes = DEFAULT_BYTES, wide = false): CpuBackend {
  const memory = createMemory(new ArrayBuffer(bytes), wide);
  const arena = createArena(64, bytes, (end) => {
    if (end > bytes)
      throw new DeviceError(`the reference backend holds ${bytes} bytes, ${end} are wanted`);
  });
  const bytesOps = memoryOps(memory);
  const elements = elementOps(memory);
  const scoring = scoringOps(memory);
  const selecting = selectOps(memory);
  const backend: CpuBackend = {
    name: 'reference',
    build: 'f64',
    threads: 1,
    arena,
    ...cacheOps(() => backend),
    ...bytesOps,
    ...productOps(memory, elements),
    ...elements,
    ...streamOps(memory),
    ...rowOps(memory),
    ...attentionOps(memory),
    ...lookOps(memory),
    ...scoring,
    ...scoreOps(memory, bytesOps, { ...selecting, ...scoring }),
    ...selecting,
    ...createSelect(bytesOps, selecting),
    ...chooseOps(memory),
    ...clusterOps(memory),
    experts: expertOps(memory),
    training: {
      ...productGradients(memory),
      ...elementGradients(memory),
      ...denseAttentionOps(memory),
      ...lossOps(memory),
    },
    recurrent: recurrentOps(memory),
    scratchBytes: () => 0,
    reserveScratch: () => () => {},
    dispose() {},
  };
  return backend;
}
