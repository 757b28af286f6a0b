// Shaders as pipelines: each compiled once, for the constants that it is wanted with.
import { type ShaderName, shaders, subgroupShaders } from '../../../build/generated/shaders.ts';
import type { OpenDevice } from './device.ts';
import type { Usage } from './usage.ts';
import { weightShader } from './weight-types.ts';

/** A shader with its constants, and what it binds: 'w' written and read, 'r' read, one a buffer. */
export interface Kernel {
  /** What it is counted and labelled as. */
  readonly label: string;
  readonly bindings: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** KINDS are weight types that its text is made for (weight-types.ts), the others overrides. */
type Constants = Readonly<Record<string, number>> & { readonly KINDS?: number };

/** Bytes of a dispatch's parameters at most: the alignment that every device takes. */
export const PARAMS_BYTES = 256;

const one = new Float32Array(1);
const word = new Uint32Array(one.buffer);

/** The word of a parameter that is f32. */
export function floatWord(x: number): number {
  one[0] = x;
  return word[0];
}

const COMPUTE = 4; // GPUShaderStage

/** What tells a kernel from others. */
type Wanted = readonly [name: ShaderName, bindings: string, constants: Constants];

export class Kernels {
  readonly #device: OpenDevice;
  readonly #usage: Usage;
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<string, [GPUBindGroupLayout, GPUPipelineLayout]>();
  readonly #kernels = new Map<string, Kernel>();
  #missing?: Map<string, Wanted>;
  /** The first group of every kernel: its parameters. */
  readonly paramsLayout: GPUBindGroupLayout;

  constructor(device: OpenDevice, usage: Usage) {
    this.#device = device;
    this.#usage = usage;
    this.paramsLayout = device.gpu.createBindGroupLayout({
      entries: [
        {
          binding: 0,
          visibility: COMPUTE,
          buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: PARAMS_BYTES },
        },
      ],
    });
  }

  /** The kernel of a shader, compiled the first time. */
  get(name: ShaderName, bindings: string, constants: Constants = {}): Kernel {
    const key = keyOf(name, bindings, constants);
    const found = this.#kernels.get(key);
    if (found) return found;
    if (this.#missing) {
      this.#missing.set(key, [name, bindings, constants]);
      return { label: name, bindings } as Kernel;
    }
    const { description, layout } = this.#describe(name, bindings, constants);
    const pipeline = this.#device.gpu.createComputePipeline(description);
    return this.#add(key, name, bindings, layout, pipeline);
  }

  /** What is asked for meanwhile and is not there yet. It must not be run. */
  missingIn(work: () => void): Wanted[] {
    const missing = new Map<string, Wanted>();
    this.#missing = missing;
    try {
      work();
    } finally {
      this.#missing = undefined;
    }
    return [...missing.values()];
  }

  /** Compiles one without holding anything up. */
  async prepare([name, bindings, constants]: Wanted): Promise<void> {
    const key = keyOf(name, bindings, constants);
    if (this.#kernels.has(key)) return;
    const { description, layout } = this.#describe(name, bindings, constants);
    const pipeline = await this.#device.gpu.createComputePipelineAsync(description);
    if (!this.#kernels.has(key)) this.#add(key, name, bindings, layout, pipeline);
  }

  #add(
    key: string,
    label: string,
    bindings: string,
    layout: GPUBindGroupLayout,
    pipeline: GPUComputePipeline,
  ): Kernel {
    const kernel = { label, bindings, layout, pipeline };
    this.#kernels.set(key, kernel);
    this.#usage.made('pipelines');
    return kernel;
  }

  /** The module of a shader, for weights of some types where it is given them. */
  #moduleOf(name: ShaderName, kinds?: number): GPUShaderModule {
    const { gpu, abilities } = this.#device;
    const key = `${name} ${kinds}`;
    let module = this.#modules.get(key);
    if (!module) {
      const own = (abilities.subgroups && subgroupShaders[name]) || shaders[name];
      const code = kinds === undefined ? own : `${own}\n${weightShader(kinds)}`;
      module = gpu.createShaderModule({ label: name, code });
      this.#modules.set(key, module);
      this.#usage.made('shaderModules');
    }
    return module;
  }

  #describe(name: ShaderName, bindings: string, { KINDS, ...constants }: Constants) {
    const module = this.#moduleOf(name, KINDS);
    const [layout, pipelineLayout] = this.#layoutOf(bindings);
    const description: GPUComputePipelineDescriptor = {
      label: name,
      layout: pipelineLayout,
      compute: { module, entryPoint: 'main', constants },
    };
    return { description, layout };
  }

  #layoutOf(bindings: string): [GPUBindGroupLayout, GPUPipelineLayout] {
    const found = this.#layouts.get(bindings);
    if (found) return found;
    const { gpu } = this.#device;
    const layout = gpu.createBindGroupLayout({
      entries: [...bindings].map((kind, binding) => ({
        binding,
        visibility: COMPUTE,
        buffer: { type: kind === 'w' ? 'storage' : 'read-only-storage' },
      })),
    });
    const bindGroupLayouts = [this.paramsLayout, layout];
    const made: [GPUBindGroupLayout, GPUPipelineLayout] = [
      layout,
      gpu.createPipelineLayout({ bindGroupLayouts }),
    ];
    this.#layouts.set(bindings, made);
    return made;
  }
}

const keyOf = (name: string, bindings: string, constants: Constants): string =>
  `${name} ${bindings} ${JSON.stringify(constants)}`;
