// Whoever reads "(docs/algorithms.md, 'Sampling')" finds that section: citations name headings that
// there are, and nothing cites sections by number, of a document that one does not have.
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from './sources.ts';

const DOCUMENT = 'docs/algorithms.md';

/** What cites: sources, kernels, tests, benches, documents. */
function citing(): { path: string; text: string }[] {
  return ['src', 'assembly', 'test', 'bench', 'docs'].flatMap((folder) =>
    readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|js|mjs|md)$/.test(name))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((path) => !path.includes('/node_modules/'))
      .sort()
      .map((path) => ({ path, text: readFileSync(`${root}${path}`, 'utf8') })),
  );
}

/** A text whose comments are on one line each: a citation may run over the end of one. */
const joined = (text: string) => text.replace(/\n[ \t]*(?:\/\/|\*)?[ \t]*/g, ' ');

/**
 * The sections that a text cites; an empty name where it names the document and none of them (a path
 * in quotes is no citation).
 */
function citationsIn(text: string): string[] {
  const pattern = /(?<!')docs\/algorithms\.md((?:,? (?:and )?'[^']+')*)/g;
  return [...joined(text).matchAll(pattern)].flatMap(([, names]) =>
    names === '' ? [''] : [...names.matchAll(/'([^']+)'/g)].map(([, name]) => name),
  );
}

/** Sections that a text cites by number. */
const numbersIn = (text: string) => joined(text).match(/\bsections? \d[\d.]*/gi) ?? [];

const headings = [...readFileSync(`${root}${DOCUMENT}`, 'utf8').matchAll(/^## (.+)$/gm)].map(
  ([, heading]) => heading,
);

const test = suite('citations');
const texts = citing().filter(({ path }) => path !== 'test/house/citations.test.ts');

test('sections that are cited are there', () => {
  const found = texts
    .filter(({ path }) => path !== DOCUMENT)
    .flatMap(({ path, text }) => citationsIn(text).map((name) => ({ path, name })));
  assert.ok(found.length > 20, 'the citations were not found');
  assert.equal(
    found.filter(({ name }) => !headings.includes(name)).map(({ path, name }) => [path, name]),
    [],
    `its sections are ${headings.join(', ')}`,
  );
  assert.is(new Set(headings).size, headings.length, 'two sections have one name');
});

test('none is cited by number', () => {
  const found = texts.flatMap(({ path, text }) =>
    numbersIn(text).map((number) => `${path}: ${number}`),
  );
  assert.equal(found, [], `cite a section of ${DOCUMENT} by its name`);
});

test('the document refers to its own sections', () => {
  const { text } = texts.find(({ path }) => path === DOCUMENT)!;
  const references = [...text.matchAll(/\('([^']+)'\)/g)].map(([, name]) => name);
  assert.ok(references.length > 1, 'the references were not found');
  assert.equal(
    references.filter((name) => !headings.includes(name)),
    [],
  );
});

test('what is wrong is seen', () => {
  assert.equal(citationsIn(`(${DOCUMENT}, 'A b')`), ['A b']);
  assert.equal(citationsIn(`// as in ${DOCUMENT}, 'A b', 'C'\n// and 'D' and 'e'`), [
    'A b',
    'C',
    'D',
    'e',
  ]);
  assert.equal(citationsIn(` * (docs/algorithms.md, 'A\n   * b')`), ['A b']);
  assert.equal(citationsIn(`as ${DOCUMENT} has it`), ['']);
  assert.equal(citationsIn(`read('${DOCUMENT}')`), []);
  assert.equal(numbersIn('// (algorithms, section\n// 3.4)'), ['section 3.4']);
  assert.equal(numbersIn('sections 2, 4'), ['sections 2']);
  assert.equal(numbersIn('a section a section'), []);
});

test.run();
