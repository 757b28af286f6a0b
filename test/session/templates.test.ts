// Templates render as Python's Jinja2 renders them, set up as transformers has it: whole
// conversations of every family, and one operation after another. What it wrote is in
// test/fixtures/templates.json, made by scripts/template-fixtures.mjs.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cases, caseText } from './templates/cases.ts';
import {
  CONVERSATIONS,
  conversationOf,
  hashesOf,
  momentsOf,
  renderingOf,
} from './templates/conversations.ts';
import { families } from './templates/index.ts';

const test = suite('templates as jinja2 renders them');

const root = new URL('../../../../', import.meta.url);
const fixture = JSON.parse(readFileSync(new URL('test/fixtures/templates.json', root), 'utf8')) as {
  families: Record<string, string>;
  cases: Record<string, string | null>;
};

test('there are thirty families or more, each once, each in docs/templates.md', () => {
  assert.ok(families.length >= 30);
  assert.equal(Object.keys(fixture.families), [...new Set(families.map(({ name }) => name))]);
  const docs = readFileSync(new URL('docs/templates.md', root), 'utf8');
  const words = { system: 'system message', user: 'next question' };
  for (const { name, plain, later = plain } of families) {
    const row = docs.split('\n').find((line) => line.startsWith(`| ${name} `)) ?? name;
    const [, , first, then] = row.split('|').map((cell) => cell.trim());
    assert.equal([first, then], [words[plain], words[later]], row);
  }
});

for (const family of families) {
  test(`${family.name}: ${CONVERSATIONS} conversations`, () => {
    const texts = Array.from({ length: CONVERSATIONS }, (_, seed) =>
      momentsOf(conversationOf(family, seed), seed).map(([said, reply]) =>
        renderingOf(family, said, reply),
      ),
    ).flat();
    const told = 'node scripts/template-fixtures.mjs compare shows what differs';
    assert.is(hashesOf(texts), fixture.families[family.name], told);
  });
}

test('operation by operation', () => {
  assert.equal(Object.keys(fixture.cases), [...cases]);
  for (const source of cases) assert.is(caseText(source) ?? null, fixture.cases[source], source);
});

test.run();
