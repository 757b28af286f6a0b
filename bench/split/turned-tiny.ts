// The bundled model, and the one with outlier channels that is made from it: turned to the principal
// axes of its hidden states where the comparisons cut it.
import { readFileSync } from 'node:fs';
import { readModelHeader } from '../../src/model/rewrite.ts';
import { openSource } from '../../src/model/source.ts';
import { loadHalf } from '../../src/split/load.ts';
import { readExamples } from '../../src/train/data.ts';
import type { Example } from '../../src/train/batches.ts';
import { bundled } from '../../test/fixtures.ts';
import { activationsAt } from './activations.ts';
import { principalAxes } from './axes.ts';
import { turnedModel } from './turned-model.ts';

export const tiny = bundled('recollect-tiny.gguf');
/** Layers of the client in the comparisons. */
export const CUT = 2;

/** Text of the kind that the model was made for: the turns of the first conversations. */
export async function someExamples(talks = 2): Promise<Example[]> {
  const half = await loadHalf(tiny, 'client', { cut: 0, labels: 'server' }, { threads: 1 });
  const lines = readFileSync(bundled('conv-2k.jsonl'), 'utf8').split('\n').slice(0, talks);
  const turns = lines.flatMap((line) => (JSON.parse(line) as { turns: { line: string }[] }).turns);
  const texts = turns.map(({ line }) => ({ text: line }));
  const found = readExamples(half, texts, { loss: 'all', length: 512, file: 'conv-2k.jsonl' });
  half.dispose();
  return found;
}

export async function turnedTiny(talks = 2): Promise<Uint8Array<ArrayBuffer>> {
  const { x, width } = await activationsAt(tiny, CUT, await someExamples(talks));
  return turnedModel(tiny, principalAxes(x, width));
}

/** The bundled model in f32, not turned: kernels of stored bits round on their own. */
export async function plainTiny(): Promise<Uint8Array<ArrayBuffer>> {
  const source = await openSource(tiny);
  const { width } = (await readModelHeader(source)).config;
  await source.close();
  const at = { length: width * width };
  return turnedModel(
    tiny,
    Float64Array.from(at, (_, i) => Number(i % (width + 1) === 0)),
  );
}
