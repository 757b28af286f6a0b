// Models for commands, with progress for people who watch, and what was chosen to run them.
import { runtime } from '#runtime';
import { detectBuild } from '../backend/wasm/builds.ts';
import { formatBytes } from '../math/format.ts';
import type { LoadOptions } from '../engine/load-options.ts';
import { loadModel, type Model } from '../engine/model.ts';
import type { Table } from '../options/table.ts';
import { optionTables } from '../session/options.ts';
import type { Terminal } from './command.ts';
import { pathOf, shortPathOf } from './package.ts';

/** The model that comes with the package. */
export const TINY = 'models/recollect-tiny.gguf';

/** What a command that takes a model says where none is named. */
export const aboutModels = `
MODEL is a .gguf file, or the URL of one (the first, where a model has several), of an
architecture we run (Llama, Qwen, Gemma, LFM2, Granite, Phi, Ministral, GPT-OSS and others:
docs/models.md), such as Qwen3-0.6B-Q8_0.gguf or SmolLM2-135M-Instruct-Q8_0.gguf, which
huggingface.co has.
For a first look without a download there is ${shortPathOf(TINY)}
(it knows one kind of text: ${shortPathOf('models/README.md')}).`.trim();

/** What a command that needs a model and a table of its own has beside its name. */
export const onModel = <T extends Table>(own: T) => ({
  operands: ['MODEL'],
  about: aboutModels,
  groups: { own: { title: '', table: own }, load: optionTables.load },
});

/** A name in front of what is said about loading. */
const nameOf = (input: string) => (input === pathOf(TINY) ? 'recollect-tiny' : input);

/** What the command line can say about loading. */
export type LoadChoices = Omit<LoadOptions, 'signal' | 'onRetry' | 'onProgress'>;

export async function loadWithProgress(
  input: string,
  terminal: Terminal,
  choices: LoadChoices = {},
): Promise<Model> {
  try {
    return await loadModel(input, {
      ...choices,
      signal: terminal.signal,
      onRetry: ({ url, reason, delayMs }) =>
        terminal.progress(`loading ${url}: ${reason}, again in ${(delayMs / 1000).toFixed(1)} s`),
      onProgress: ({ loadedBytes, totalBytes, kernels }) => {
        if (kernels) {
          terminal.progress(`compiling shaders: ${kernels.ready} of ${kernels.of}`);
          return;
        }
        // a server may not say how much there is
        const known = Number.isFinite(totalBytes) && totalBytes > 0;
        const share = known
          ? ` of ${formatBytes(totalBytes)} (${Math.floor((100 * loadedBytes) / totalBytes)}%)`
          : '';
        terminal.progress(`loading ${nameOf(input)}: ${formatBytes(loadedBytes)}${share}`);
      },
    });
  } finally {
    terminal.progress('');
  }
}

/**
 * Which kernels run on how many threads, and why not on more or better ones; with which adapters.
 */
export function describeKernels(model: Model, chosen: LoadChoices = {}): string {
  const { name, build, threads } = model.backend;
  if (name === 'webgpu') return `WebGPU (${model.backendReason})${withAdapters(model)}`;
  const workers = model.executor.layerRanges.length;
  const slower =
    build === 'simd' && (chosen.build ?? 'auto') === 'auto' && detectBuild() === 'simd'
      ? ` (relaxed SIMD, which is faster, needs Node 22 or newer; this is ${process.version})`
      : '';
  const work =
    workers > 1
      ? `layers in ${workers} workers`
      : threads === 1
        ? `1 thread${whyOne(model, chosen)}`
        : `${threads} threads`;
  return `${build} kernels${slower}, ${work}${withAdapters(model)}`;
}

/** What results of one backend are told from another's by. */
export const buildOf = ({ backend: { name, build } }: Model): string =>
  name === 'wasm' ? build : `${name} ${build}`.trim();

function withAdapters({ config: { adapters = [] } }: Model): string {
  if (adapters.length === 0) return '';
  const each = adapters.map(({ name, scale }) => (scale === 1 ? name : `${name} x ${scale}`));
  return `, with ${each.join(' and ')}`;
}

function whyOne(model: Model, { threads }: LoadChoices): string {
  if (threads === 1) return ' (--threads 1)';
  const team = (model.backend as { readonly team?: { readonly fallback?: string } }).team;
  if (team?.fallback) return ` (${team.fallback})`;
  return runtime.cores === 1 ? ' (there is one core)' : '';
}
