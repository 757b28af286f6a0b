// Models and texts for commands, with progress for people who watch.
import { readFile } from 'node:fs/promises';
import { OptionError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import { loadModel, type Model } from '../engine/model.ts';
import type { Terminal } from './command.ts';

export async function loadWithProgress(
  input: string,
  terminal: Terminal,
  { build, threads, pipeline }: { build?: 'simd' | 'relaxed'; threads?: number; pipeline?: number } = {},
): Promise<Model> {
  const model = await loadModel(input, {
    signal: terminal.signal,
    build: build ?? 'auto',
    threads: threads ?? 'auto',
    pipeline: pipeline ?? 'auto',
    onRetry: ({ url, reason, delayMs }) => terminal.progress(`loading ${url}: ${reason}, again in ${(delayMs / 1000).toFixed(1)} s`),
    onProgress: ({ loadedBytes, totalBytes }) => terminal.progress(`loading ${input}: ${formatBytes(loadedBytes)} of ${formatBytes(totalBytes)}`),
  });
  terminal.progress('');
  return model;
}

/** A text file's content. Throws OptionError where it cannot be read. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new OptionError(`'${path}' cannot be read (${(cause as Error).message})`, { cause });
  }
}
