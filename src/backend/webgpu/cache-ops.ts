// Which rows can be cached on a device, and caches of them.
import type { Backend } from '../backend.ts';
import { isGrouped, isQuantized, QUANTIZED_MULTIPLE } from '../dtype.ts';
import { DeviceCache } from './cache.ts';
import { deviceCacheBytes } from './cache-parts.ts';
import type { OpenDevice } from './device.ts';
import type { Heap } from './heap.ts';
import { limits } from './limits.ts';
import type { Recorder } from './recorder.ts';

export const cacheOps = (
  recorder: Recorder,
  heap: Heap,
  { bindingBytes, bufferBytes }: OpenDevice,
): Pick<Backend, 'supportsRows' | 'cacheBytes' | 'createCache'> => ({
  // rows lie in whole words, and stand alone
  supportsRows: (type, headDim) =>
    headDim <= limits.headDim &&
    !isGrouped(type) &&
    (type === 'f32' || headDim % 2 === 0) &&
    (!isQuantized(type) || headDim % QUANTIZED_MULTIPLE === 0),
  cacheBytes: deviceCacheBytes,
  createCache: (shape) =>
    new DeviceCache(recorder, heap, shape, Math.min(bindingBytes, bufferBytes)),
});
