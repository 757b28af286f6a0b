// recollect merge: a model and its adapters as one GGUF file.
import { loadTable } from '../../engine/load-options.ts';
import { formatBytes } from '../../math/format.ts';
import { type MergedMatrix, mergeAdapters } from '../../model/adapter/merge.ts';
import { readAdapterOptions } from '../../model/adapter/option.ts';
import { mergeTypes } from '../../model/rewrite.ts';
import * as kinds from '../../options/kinds.ts';
import { option } from '../../options/table.ts';
import { defineCommand } from '../command.ts';
import { checkApart, openOutput } from '../files.ts';
import { aboutModels } from '../load.ts';

const own = {
  adapters: { ...loadTable.adapters, isRequired: true as const },
  out: option(kinds.filledText, {
    isRequired: true,
    flag: 'out FILE',
    summary: 'where the merged model is written',
  }),
  type: option(kinds.oneOf(mergeTypes), {
    default: 'same',
    flag: 'type NAME',
    summary: 'what adapted matrices are stored as; same: as before, or F16 where we only read that',
  }),
};

/** From here on an adapter does not come through as it was meant. */
const MUCH_LOST = 0.5;

export const merge = defineCommand({
  name: 'merge',
  summary: 'adapters merged into a model, as a new file',
  operands: ['MODEL'],
  about: aboutModels,
  groups: { own: { title: '', table: own } },
  intro: `
Writes MODEL with its --adapter FILEs (each times its scale) merged in, as a
GGUF file that needs no adapter. What they add is small beside the weights:
stored in few bits, much of it is lost to rounding, and how much is told. A
model of few bits keeps more of an adapter with --type f16, or unmerged.`,
  async run([input], { own: { adapters: given, out, type } }, terminal) {
    const adapters = readAdapterOptions('--adapter', given);
    const files = [input, ...adapters.map(({ source }) => String(source))];
    await checkApart([['--out', out]], files);
    const output = await openOutput(out);
    let bytes = 0;
    try {
      const merged = await mergeAdapters(input, {
        adapters,
        type,
        signal: terminal.signal,
        async write(piece) {
          bytes += piece.length;
          await output.write(piece);
        },
        onProgress: ({ loadedBytes, totalBytes }) =>
          terminal.progress(`merging: ${Math.floor((100 * loadedBytes) / totalBytes)}%`),
      });
      await output.finish();
      terminal.progress('');
      for (const line of describe(merged)) terminal.print(line);
      terminal.print(`${formatBytes(bytes)} written to ${out}`);
      if (merged.some(({ lost }) => lost > MUCH_LOST))
        terminal.note(
          'rounding changed much of what the adapters add: --type f16 keeps it, or load them ' +
            'beside the model',
        );
    } finally {
      terminal.progress('');
      await output.abandon();
    }
  },
});

/** A line for each way from a type to another. */
function describe(merged: readonly MergedMatrix[]): string[] {
  const ways = new Map<string, MergedMatrix[]>();
  for (const matrix of merged) {
    const { from, to } = matrix;
    const way = from === to ? from.toUpperCase() : `${from.toUpperCase()} -> ${to.toUpperCase()}`;
    ways.set(way, [...(ways.get(way) ?? []), matrix]);
  }
  if (merged.length === 0) return ['no matrix is changed: all scales are 0'];
  return [...ways].map(([way, list]) => {
    const most = Math.max(...list.map(({ lost }) => lost));
    const mean = list.reduce((sum, { lost }) => sum + lost, 0) / list.length;
    const share = (x: number) => (x < 0.0005 ? 'below 0.001' : x.toFixed(3));
    return (
      `${list.length} matrices, ${way}: rounding changed what was added by ${share(mean)} of it ` +
      `(mean), ${share(most)} (most)`
    );
  });
}
