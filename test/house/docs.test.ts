// The tables of options: what follows from them says the same everywhere.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { optionTables } from '../../src/session/options.ts';
import { parts, withPart } from './option-docs.ts';
import { root } from './sources.ts';

const test = suite('options in docs');

for (const part of parts)
  test(`${part.file} tells the options there are`, () => {
    const document = readFileSync(`${root}${part.file}`, 'utf8');
    assert.is(document, withPart(document, part), 'npm run docs writes it anew');
  });

/** Where each table's declarations are: what editors show of its options stands there. */
const declared: Readonly<Record<keyof typeof optionTables, readonly string[]>> = {
  load: ['engine/load-options', 'model/download/options'],
  memory: ['session/options'],
  axes: ['policy/compose'],
  episodes: ['session/options'],
  replies: ['session/ask-options', 'engine/sampling/options'],
  calls: ['session/ask-options'],
};

test('editors show what each option is, and its default', () => {
  for (const [name, { table }] of Object.entries(optionTables)) {
    const text = declared[name as keyof typeof optionTables]
      .map((file) => readFileSync(`${root}build/js/src/${file}.d.ts`, 'utf8'))
      .join('\n');
    for (const [option, row] of Object.entries(table)) {
      const comment = new RegExp(
        `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*(?:readonly )?${option}:`,
      ).exec(text)?.[1];
      assert.ok(comment, `${name}: ${option} has no comment above its row`);
      const said = comment!.replaceAll(/\s*\n\s*\*\s*/g, ' ');
      const fixed = 'default' in row && row.default !== undefined ? row.default : undefined;
      const value = typeof fixed === 'string' ? `'${fixed}'` : String(fixed);
      if (fixed !== undefined)
        assert.ok(said.includes(`Default ${value}`), `${name}: ${option} has the default ${value}`);
    }
  }
});

test.run();
