// Who may import whom, and who may know where we run: ARCHITECTURE.md, 'The ladder'. A change of
// this list is a decision, with its reason there.
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { transformSync } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSources, root, type Source } from './sources.ts';

/**
 * Folders and files of src/, top to bottom. Imports go down, over as many rungs as they like;
 * those of one rung do not know each other.
 */
const ladder: readonly (readonly string[])[] = [
  ['index.ts'],
  ['cli'],
  ['eval'],
  ['split'],
  ['train'],
  ['session'],
  ['episode'],
  ['engine'],
  ['model', 'policy'],
  ['cache'],
  ['backend'],
  ['options'],
  ['runtime', 'math', 'arguments.ts'],
  ['errors.ts'],
];

/** What is made by the build, and by whom it may be reached. */
const built: Readonly<Record<string, readonly string[]>> = {
  '#kernels': ['backend/wasm/'],
  '../build/generated': ['backend/'],
  '#workers': ['backend/wasm/', 'engine/pipeline/', 'runtime/opfs/'],
};

/** Names of the place where we run. Code without scope, workers among it, is of no one else. */
const places = ['process', 'Deno', 'Bun', 'window', 'navigator', 'document', 'location'];
const knowsPlace = (path: string) => path.startsWith('runtime/') || path.startsWith('cli/');

const partOf = (path: string) => path.split('/')[0];
const rungOf = (part: string) => ladder.findIndex((rung) => rung.includes(part));

interface Import {
  readonly line: number;
  readonly specifier: string;
}

/** All that a file imports, types too. */
function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const pattern =
    /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)(['"])([^'"\n]+)\1|^\s*(?:\/\/|\*|\/\*).*$/gm;
  for (const match of text.matchAll(pattern))
    if (match[2] !== undefined)
      found.push({ line: text.slice(0, match.index).split('\n').length, specifier: match[2] });
  return found;
}

/** What an import of a file leads to: a path below src/, or a name that is none. */
const resolve = (path: string, specifier: string) =>
  specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier;

/** The part of src/ that it leads to; undefined for packages and Node. */
function targetOf(path: string, specifier: string): string | undefined {
  if (specifier === '#runtime') return 'runtime';
  return specifier.startsWith('.') ? partOf(resolve(path, specifier)) : undefined;
}

/** Why a file may not import something; undefined where it may. */
function refusal(path: string, specifier: string): string | undefined {
  const part = partOf(path);
  if (specifier.startsWith('node:') && !knowsPlace(path))
    return 'only src/runtime and src/cli import modules of Node';
  for (const [made, users] of Object.entries(built)) {
    if (!resolve(path, specifier).startsWith(`${made}/`)) continue;
    if (users.some((user) => path.startsWith(user))) return undefined;
    return `only ${users.map((user) => `src/${user}`).join(' and ')} import ${made}`;
  }
  const target = targetOf(path, specifier);
  if (target === undefined || target === part) return undefined;
  const [from, to] = [rungOf(part), rungOf(target)];
  if (to === -1) return `'${target}' is on no rung: add it to test/house/ladder.test.ts`;
  if (to > from) return undefined;
  return to === from
    ? `src/${part} and src/${target} stand beside each other, and may not know each other`
    : `src/${part} stands below src/${target}: imports go down`;
}

function refusals({ path, text }: Source): string[] {
  return importsOf(text).flatMap(({ line, specifier }) => {
    const why = refusal(path, specifier);
    return why === undefined ? [] : [`src/${path}:${line} imports '${specifier}': ${why}`];
  });
}

const mark = (name: string) => `__place_${name}`;

/** Names of the place that a file says and does not declare: esbuild knows which are which. */
function placesIn(text: string): string[] {
  const define = Object.fromEntries(
    places.flatMap((name) => [
      [name, mark(name)],
      [`globalThis.${name}`, mark(name)],
    ]),
  );
  const { code } = transformSync(text, { loader: 'ts', define });
  return places.filter((name) => code.includes(mark(name)));
}

const test = suite('the ladder');
const sources = readSources();

test('every part of src/ stands on a rung', () => {
  const parts = [...new Set(sources.map(({ path }) => partOf(path)))];
  assert.equal(
    parts.filter((part) => rungOf(part) === -1),
    [],
    'add them to the list in test/house/ladder.test.ts, and to ARCHITECTURE.md',
  );
  assert.equal(
    ladder.flat().filter((part) => !parts.includes(part)),
    [],
    'nothing in src/ has these names',
  );
});

test('ARCHITECTURE.md has the same list', () => {
  const written = ladder
    .slice(1)
    .map((rung) => rung.map((part) => part.replace('.ts', '')).join(' | '))
    .join(' > ');
  assert.ok(readFileSync(`${root}ARCHITECTURE.md`, 'utf8').includes(`\`${written}\``), written);
});

test('imports go down', () => {
  const found = sources.flatMap(refusals);
  assert.equal(found, [], found.join('\n'));
});

test('nobody else knows where we run', () => {
  const found = sources
    .filter(({ path }) => !knowsPlace(path))
    .flatMap(({ path, text }) => placesIn(text).map((name) => `src/${path} says '${name}'`));
  assert.equal(found, [], found.join('\n'));
});

test('what is wrong is seen', () => {
  const refused = (path: string, text: string) => refusals({ path, text }).length;
  assert.is(refused('policy/x.ts', "import type { Model } from '../engine/model.ts';"), 1);
  assert.is(refused('policy/x.ts', "import {\n  a,\n} from '../model/model.ts';"), 1);
  assert.is(refused('math/x.ts', "export * from '../runtime/runtime.ts';"), 1);
  assert.is(refused('math/x.ts', "import { runtime } from '#runtime';"), 1);
  assert.is(refused('engine/x.ts', "const a = await import('../session/line.ts');"), 1);
  assert.is(refused('engine/x.ts', "import '../cli/main.ts';"), 1);
  assert.is(refused('engine/x.ts', "import { readFile } from 'node:fs';"), 1);
  assert.is(refused('engine/x.ts', "import bytes from '#kernels/simd.bytes';"), 1);
  assert.is(refused('engine/x.ts', "import * as k from '../../build/generated/kernels.ts';"), 1);
  assert.is(refused('engine/x.ts', "import { b } from '../unknown/b.ts';"), 1);
  assert.is(refused('backend/wasm/x.ts', "import bytes from '#kernels/simd.bytes';"), 0);
  assert.is(refused('backend/x.ts', "import * as k from '../../build/generated/kernels.ts';"), 0);
  assert.is(refused('engine/pipeline/x.ts', "import { a } from '../run.ts';"), 0);
  assert.is(refused('cli/commands/x.ts', "import { a } from '../../math/rng.ts';"), 0);
  assert.is(refused('math/x.ts', "// as in import '../cli/main.ts'\n"), 0);
  assert.equal(placesIn('export const p = process.pid;'), ['process']);
  assert.equal(placesIn('export const n = globalThis.navigator;'), ['navigator']);
  assert.equal(placesIn('export const p = (process: { pid: number }) => process.pid;'), []);
  assert.equal(placesIn("export const s = typeof window === 'object';"), ['window']);
  assert.equal(placesIn('export const w = { window: 3 }.window;'), []);
});

test.run();
