// The formats by name, and files read into conversations. A new one: its file, and its line here.
import { text as readText } from '../../arguments.ts';
import { OptionError } from '../../errors.ts';
import { type DatasetFormat, type Dialogue, objectOf, refuseIn } from './dataset.ts';
import { locomo } from './locomo.ts';
import { longmemeval } from './longmemeval.ts';
import { realtalk } from './realtalk.ts';
import { recollect } from './recollect.ts';

export const datasetFormats: readonly DatasetFormat[] = [recollect, locomo, realtalk, longmemeval];

/**
 * Reads a file's text: a JSON object or array of conversations, or one object a line. The format is
 * recognised by its shape where it isn't named. Throws OptionError naming the file, the line or
 * entry that is wrong, and what was expected.
 */
export function readDialogues(text: string, name: string, format?: string): Dialogue[] {
  const items = itemsOf(readText('text', text), readText('name', name));
  if (items.length === 0)
    throw new OptionError(
      `${name} holds no conversation: expected a JSON array, or one JSON object a line`,
    );
  const named = datasetFormats.find((f) => f.name === format);
  if (format !== undefined && !named)
    throw new OptionError(
      `no format '${format}'; there are ${datasetFormats.map((f) => f.name).join(', ')}`,
    );
  return items.map(({ value, where }, i) => {
    const refuse = refuseIn(name, where);
    const item =
      objectOf(value) ??
      refuse(
        `expected an object with 'turns', or another format's ` +
          `(${datasetFormats.map((f) => f.name).join(', ')})`,
      );
    const reader = named ?? datasetFormats.find((f) => f.recognises(item)) ?? datasetFormats[0];
    return reader.read(item, String(i + 1), refuse);
  });
}

function itemsOf(text: string, name: string): { value: unknown; where: string }[] {
  if (text.trim() === '') return [];
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch (cause) {
    // a file of one object a line is no JSON as a whole; one that begins no object on its first
    // line was meant to be
    if (!/^\s*\{.*\}\s*$/m.test(text))
      throw new OptionError(
        `${name}: no JSON (${(cause as Error).message}), nor one object a line`,
        { cause },
      );
    return linesOf(text, name);
  }
  if (Array.isArray(whole)) return whole.map((value, i) => ({ value, where: `, entry ${i}` }));
  return [{ value: whole, where: ', line 1' }];
}

function linesOf(text: string, name: string): { value: unknown; where: string }[] {
  const lines = text.split('\n').map((line, i) => ({ line, where: `, line ${i + 1}` }));
  return lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, where }) => {
      try {
        return { value: JSON.parse(line) as unknown, where };
      } catch (cause) {
        throw new OptionError(`${name}${where}: no JSON (${(cause as Error).message})`, { cause });
      }
    });
}
