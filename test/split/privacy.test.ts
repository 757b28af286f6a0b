// The privacy bench's attacks on one cut and a line: they guess what they should be able to, so
// that its figures are not low because an attack is broken.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Guessed, guessAll } from '../../bench/split/guesses.ts';
import { withTables } from '../../bench/split/pages.ts';
import { privacyTables } from '../../bench/split/privacy-table.ts';
import { root } from '../house/sources.ts';

const test = suite('split/privacy');

const size = {
  cuts: [0, 1],
  codings: ['f32', '2'],
  texts: ['conversations'],
  lines: 1,
  known: 4096,
  steps: 4,
  tries: [512, 8],
} as const;

test('guesses', async () => {
  const run = await guessAll(size);
  const share = (cut: number, coding: Guessed['coding'], attack: Guessed['attack']) =>
    run.guesses.find((g) => g.cut === cut && g.coding === coding && g.attack === attack)!.share;
  const [{ chance, tokens }] = run.texts;
  assert.ok(tokens > 20 && chance < 0.3);
  assert.is(share(0, 'f32', 'nearest').mean, 1, 'embeddings are tokens in another notation');
  assert.is(share(1, 'f32', 'layers').mean, 1, 'layers of a causal model are inverted exactly');
  assert.ok(share(1, 'f32', 'linear').mean > 2 * chance, 'a map is better than chance');
  assert.ok(share(1, '2', 'linear').mean < share(1, 'f32', 'linear').mean, 'bits tell');
  const { mean, low, high } = share(1, '2', 'linear');
  assert.ok(low <= mean && mean <= high);
  const page = withTables(readFileSync(`${root}docs/split.md`, 'utf8'), {
    guesses: privacyTables(run),
  });
  assert.match(page, '| 1 | layers');
});

test.run();
