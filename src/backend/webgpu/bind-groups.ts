// Bind groups by the buffers that they bind: made once, used for as long as the buffers are there.
import type { HeapBuffer } from './heap.ts';
import type { Kernel } from './kernels.ts';
import type { Usage } from './usage.ts';

/** One level for each buffer. */
interface Bound {
  group?: GPUBindGroup;
  readonly next: Map<number, Bound>;
}

export class BindGroups {
  readonly #gpu: GPUDevice;
  readonly #usage: Usage;
  /** By a layout's bindings. */
  readonly #bound = new Map<string, Bound>();

  constructor(gpu: GPUDevice, usage: Usage) {
    this.#gpu = gpu;
    this.#usage = usage;
  }

  /** The group of a kernel's buffers. */
  of({ bindings, layout }: Kernel, buffers: readonly HeapBuffer[]): GPUBindGroup {
    let at = entryOf(this.#bound, bindings);
    for (const { id } of buffers) at = entryOf(at.next, id);
    if (!at.group) {
      at.group = this.#gpu.createBindGroup({
        layout,
        entries: buffers.map(({ buffer }, binding) => ({ binding, resource: { buffer } })),
      });
      this.#usage.made('bindGroups');
    }
    return at.group;
  }

  /** A buffer is gone: so are the groups that bind it. */
  forget(id: number): void {
    const cut = ({ next }: Bound): void => {
      next.delete(id);
      for (const bound of next.values()) cut(bound);
    };
    for (const bound of this.#bound.values()) cut(bound);
  }
}

function entryOf<Key>(map: Map<Key, Bound>, key: Key): Bound {
  const found = map.get(key) ?? { next: new Map() };
  map.set(key, found);
  return found;
}
