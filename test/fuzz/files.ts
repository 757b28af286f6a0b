// Loads mutated model files and runs what loads: every failure is one of our errors, nothing takes
// long or much memory, and what loads answers with numbers.
import { readdirSync, readFileSync } from 'node:fs';
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel } from '../../src/engine/model.ts';
import { RecollectError } from '../../src/errors.ts';
import { openConversation } from '../../src/session/conversation.ts';
import { fixture } from '../fixtures.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';
import { mutate, nameOf, type Parts, putTogether, takeApart } from './mutate.ts';

export interface Finding {
  readonly file: number;
  readonly base: string;
  readonly what: string;
}

export interface Outcome {
  findings: Finding[];
  /** Files that loaded, and that forwarded. */
  loaded: number;
  answered: number;
  /** How often each class of ours was thrown. */
  errors: Record<string, number>;
  slowestMs: number;
  mostBytes: number;
}

/** What the issue grants a file. */
const MOST_MS = 5000;
const MOST_BYTES = 300e6;

/** What is mutated: models that load. */
export const bases: readonly { name: string; parts: Parts }[] = [
  { name: 'small', parts: takeApart(writeGguf(smallLlama())) },
  ...readdirSync(fixture(''))
    .filter((name) => name.endsWith('.gguf'))
    .sort()
    .map((name) => ({ name, parts: takeApart(readFileSync(fixture(name))) })),
];

/** The mutated file of a number: every second one of the smallest model, as it is fast. */
export function fileOf(
  seed: number,
  file: number,
  runaways = false,
): { base: string; bytes: Uint8Array<ArrayBuffer> } {
  const { name, parts } = file % 2 === 0 ? bases[0] : bases[1 + ((file >> 1) % (bases.length - 1))];
  return { base: name, bytes: mutate(parts, seed * 1_000_003 + file, runaways) };
}

export async function fuzz(
  seed: number,
  first: number,
  count: number,
  report?: (file: number) => void,
  runaways = false,
): Promise<Outcome> {
  const outcome: Outcome = {
    findings: [],
    loaded: 0,
    answered: 0,
    errors: {},
    slowestMs: 0,
    mostBytes: 0,
  };
  for (let file = first; file < first + count; file++) {
    const { base, bytes } = fileOf(seed, file, runaways);
    const found = (what: string) => outcome.findings.push({ file, base, what });
    const before = process.memoryUsage.rss();
    const begin = performance.now();
    try {
      using model = await loadModel(bytes, { threads: 1, pipeline: 1 });
      outcome.loaded++;
      const { top } = await textLogits(model, 'the hen', 5);
      if (!top.flat().every(([, p]) => Number.isFinite(p)))
        found('log-probabilities that are no numbers');
      using conversation = openConversation(model, { budget: 32, blockSize: 8, policy: 'keydiff' });
      await conversation.ask('the', { template: false, maxTokens: 3, temperature: 0 }).text();
      outcome.answered++;
    } catch (error) {
      if (error instanceof RecollectError)
        outcome.errors[error.name] = (outcome.errors[error.name] ?? 0) + 1;
      else found(String((error as Error)?.stack ?? error).slice(0, 600));
    }
    const ms = performance.now() - begin;
    const grown = process.memoryUsage.rss() - before;
    outcome.slowestMs = Math.max(outcome.slowestMs, ms);
    outcome.mostBytes = Math.max(outcome.mostBytes, grown);
    if (ms > MOST_MS) found(`took ${Math.round(ms)} ms`);
    if (grown > MOST_BYTES) found(`took ${Math.round(grown / 1e6)} MB`);
    report?.(file);
  }
  return outcome;
}

/** The bases themselves load and answer; and taking apart and putting together changes nothing. */
export async function checkBases(): Promise<void> {
  for (const { name, parts } of bases) {
    const { file } = putTogether(parts);
    using model = await loadModel(file, { threads: 1, pipeline: 1 });
    if (
      model.config.architecture !==
      nameOf(
        parts.keys.find((k) => nameOf(k.name) === 'general.architecture')!.values[0] as Uint8Array,
      )
    )
      throw new Error(`${name} was not put together again`);
  }
}
