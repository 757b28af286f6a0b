// The tables of options: what follows from them says the same everywhere.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { optionTables } from '../../src/session/options.ts';
import { parts, withPart } from './option-docs.ts';
import { readSources, root } from './sources.ts';

const test = suite('options in docs');

for (const part of parts)
  test(`${part.file} tells the options there are`, () => {
    const document = readFileSync(`${root}${part.file}`, 'utf8');
    assert.is(document, withPart(document, part), 'npm run docs writes it anew');
  });

/** The tables that types of options are made of, as they are written: [what is in them, path]. */
const written = readSources()
  .filter(({ path }) => path !== 'options/table.ts')
  .flatMap(({ path, text }) =>
    [...text.matchAll(/\bOptionsOf<typeof (\w+)>/g)].map(([, name]) => {
      const [, body] = new RegExp(`const ${name} = \\{\\n([\\s\\S]*?)\\n\\};`).exec(text) ?? [];
      return { name: `${path} ${name}`, body };
    }),
  );

test('editors show what each option is', () => {
  assert.ok(written.length > 5, 'the tables were not found');
  for (const { name, body } of written) {
    // a row that comes along from another file leaves there what is written above it
    assert.ok(body && !/^ {2}\.\.\./m.test(body), `${name} is no literal of rows in its file`);
    const rows = [...body!.matchAll(/^ {2}(\w+): /gm)].map(([, option]) => option);
    for (const option of rows)
      assert.match(body!, new RegExp(`\\*/\\n {2}${option}: `), `${name}: ${option} tells nothing`);
  }
});

test('and its default', () => {
  const comments = written.flatMap(({ body }) => [
    ...body!.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}(\w+): /g),
  ]);
  for (const { title, table } of Object.values(optionTables))
    for (const [option, row] of Object.entries(table)) {
      const fixed = 'default' in row ? row.default : undefined;
      if (fixed === undefined) continue;
      const value = `Default ${typeof fixed === 'string' ? `'${fixed}'` : fixed}`;
      const said = comments
        .filter(([, , name]) => name === option)
        .map(([, text]) => text.replaceAll(/\s*\n\s*\*\s*/g, ' '));
      assert.ok(
        said.some((text) => text.includes(value)),
        `${title}: ${option} does not say '${value}'`,
      );
    }
});

test.run();
