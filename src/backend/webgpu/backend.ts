// The contract's operations on a WebGPU device: a shader a kernel, a file a group of them. Caches,
// scores and selections stay on the device; so do the lengths of heads.
import type { Backend, ScratchShape } from '../backend.ts';
import { attentionOps, attentionScratchBytes } from './attention.ts';
import { cacheOps } from './cache-ops.ts';
import { clusterOps } from './clusters.ts';
import type { OpenDevice } from './device.ts';
import { drawOps } from './draw.ts';
import { elementOps } from './elements.ts';
import { expertOps, expertScratchBytes } from './experts.ts';
import { Heap } from './heap.ts';
import { limits } from './limits.ts';
import { lookBytes, lookOps } from './looks.ts';
import { memoryOps } from './memory.ts';
import { productOps } from './products.ts';
import { Recorder } from './recorder.ts';
import { recurrentOps } from './recurrent.ts';
import { faultOps } from './score-faults.ts';
import { PIECE_BYTES, scoreOps } from './scores.ts';
import { expectedBytes, scoringOps } from './scoring.ts';
import { Scratch } from './scratch.ts';
import { selectOps } from './select.ts';
import { streamOps } from './streams.ts';
import type { DeviceUsage } from './usage.ts';
import { weighingOps } from './weighing.ts';
import { weightStore } from './weights.ts';

export interface WebgpuOptions {
  /** Bytes of device memory at most. */
  readonly limitBytes?: number;
}

export interface WebgpuBackend extends Backend {
  /** What was asked of the device so far. */
  readonly usage: DeviceUsage;
  /** Bytes of the device that are taken, and the most there were. */
  readonly deviceBytes: number;
  readonly peakDeviceBytes: number;
}

/** A backend on a device, which it then owns. */
export async function createWebgpuBackend(
  device: OpenDevice,
  { limitBytes = Number.POSITIVE_INFINITY }: WebgpuOptions = {},
): Promise<WebgpuBackend> {
  const recorder: Recorder = new Recorder(device, () => heap);
  const heap: Heap = new Heap(device, limitBytes, {
    moved: (from, to, bytes) => recorder.move(from, to, bytes),
    made: () => recorder.usage.made('buffers'),
    dropped: (id) => recorder.forget(id),
  });
  const scratch = new Scratch(heap);
  const elements = elementOps(recorder);
  return {
    name: 'webgpu',
    build: device.abilities.subgroups ? 'subgroups' : 'base',
    threads: 1,
    canBeLost: true,
    arena: heap,
    limits,
    ...memoryOps(recorder),
    ...elements,
    ...streamOps(recorder),
    ...drawOps(recorder),
    ...productOps(recorder, heap, elements, device),
    ...scoreOps(recorder, scratch),
    ...weighingOps(recorder, scratch, weightStore(recorder, heap).piecesOf),
    ...selectOps(recorder),
    ...faultOps(recorder),
    ...lookOps(recorder, scratch),
    ...scoringOps(recorder, scratch),
    ...cacheOps(recorder, heap, device),
    ...attentionOps(recorder, scratch),
    experts: expertOps(recorder, scratch, weightStore(recorder, heap).piecesOf, device),
    recurrent: recurrentOps(recorder),
    prepare: (work: () => void, onProgress?: (ready: number, of: number) => void) =>
      recorder.prepare(() => heap.trial(work), onProgress),
    ...clusterOps,
    get usage() {
      return recorder.usage.now;
    },
    get deviceBytes() {
      return heap.deviceBytes + recorder.ownBytes;
    },
    get peakDeviceBytes() {
      return heap.peakBytes + recorder.ownBytes;
    },
    scratchBytes,
    reserveScratch: (shape: ScratchShape) => scratch.reserve(scratchBytes(shape)),
    dispose() {
      recorder.flush();
      heap.dispose();
      recorder.dispose();
    },
  };
}

/** Working memory of the operations, which run one after the other. */
function scratchBytes(shape: ScratchShape): number {
  const { tokens, queryHeads, headDim } = shape;
  return Math.max(
    PIECE_BYTES,
    attentionScratchBytes(shape),
    lookBytes(tokens * queryHeads, headDim),
    expectedBytes(tokens, queryHeads, headDim),
    shape.experts ? expertScratchBytes(shape.experts, tokens) : 0,
  );
}
