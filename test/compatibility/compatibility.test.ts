// docs/compatibility.md says what is so: it has every architecture and feature, and what is quickly
// tried, refusals above all, gives what it says.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { architectures } from '../../src/model/arch/registry.ts';
import { fixture } from '../fixtures.ts';
import { root } from '../house/sources.ts';
import { cellOf, labelOf, readDocument } from './document.ts';
import { features } from './features.ts';
import { subjectsIn } from './files.ts';
import { outcomeOf } from './outcome.ts';

const written = readDocument(readFileSync(`${root}docs/compatibility.md`, 'utf8'));

/** What is tried here: whatever the page says is refused of these, and some that works. */
const cheap = ['global layers', 'int8', 'kivi-int4', 'workers', 'training adapters'];
const some: Readonly<Record<string, readonly string[]>> = {
  granitehybrid: ['global layers'],
  gemma4: ['kivi-int4', 'patched prompts'],
  gemma2: ['eval'],
  qwen35: ['adapters', 'snapshots'],
  'phi3-short': ['adapters'],
  minicpm: ['training adapters', 'split answers'],
};

const test = suite('compatibility');
test('the page has every architecture, and every feature', () => {
  const labels = [...written.keys()].map((label) => label.replace(/ \(.*/, ''));
  assert.equal([...new Set(labels)].sort(), architectures.map(({ name }) => name).sort());
  for (const [label, row] of written) {
    assert.equal([...row.keys()].sort(), features.map(({ name }) => name).sort(), label);
    for (const [feature, cell] of row)
      assert.ok(cell !== '' || feature === 'webgpu', `${label}, ${feature}: nothing is said`);
  }
});

for (const subject of subjectsIn([fixture('archs')]))
  test(`${subject.name}: what the page says`, async () => {
    const { architecture } = (await subject.model()).config;
    const row = written.get(labelOf({ architecture, name: subject.name }));
    assert.ok(row, 'the page has no row of it');
    for (const feature of features) {
      const { name } = feature;
      const said = row!.get(name);
      const isTried =
        some[subject.name]?.includes(name) || (cheap.includes(name) && said !== 'yes');
      if (!isTried) continue;
      const outcomes = new Map([[name, await outcomeOf(feature, subject)]]);
      assert.is(cellOf({ architecture, name: subject.name, outcomes }, feature), said, name);
    }
    await subject.dispose();
  });
test.run();
