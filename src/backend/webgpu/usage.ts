// What was asked of the device, counted: exact on any device, as times are not.

/** What takes time to be made. */
export type DeviceObject = 'buffers' | 'bindGroups' | 'pipelines' | 'shaderModules';

/** What was asked for since the backend was made. */
export interface DeviceUsage {
  readonly dispatches: number;
  readonly submissions: number;
  /** Bytes that kernels read of weights and cached rows, by their shapes. */
  readonly kernelBytes: number;
  /** Times that something was read back, and bytes of it. */
  readonly reads: number;
  readonly readBytes: number;
  /** What was made on the device: nothing of it for a token, once all kernels have run. */
  readonly made: Readonly<Record<DeviceObject, number>>;
  /** Dispatches by the names of their kernels. */
  readonly byKernel: Readonly<Record<string, number>>;
}

export class Usage {
  #dispatches = 0;
  #submissions = 0;
  #kernelBytes = 0;
  #reads = 0;
  #readBytes = 0;
  readonly #made = { buffers: 0, bindGroups: 0, pipelines: 0, shaderModules: 0 };
  readonly #byKernel = new Map<string, number>();

  dispatched(label: string, bytes: number): void {
    this.#dispatches++;
    this.#kernelBytes += bytes;
    this.#byKernel.set(label, (this.#byKernel.get(label) ?? 0) + 1);
  }

  submitted(): void {
    this.#submissions++;
  }

  read(bytes: number): void {
    this.#reads++;
    this.#readBytes += bytes;
  }

  made(what: DeviceObject): void {
    this.#made[what]++;
  }

  get now(): DeviceUsage {
    return {
      dispatches: this.#dispatches,
      submissions: this.#submissions,
      kernelBytes: this.#kernelBytes,
      reads: this.#reads,
      readBytes: this.#readBytes,
      made: { ...this.#made },
      byKernel: Object.fromEntries(this.#byKernel),
    };
  }
}
