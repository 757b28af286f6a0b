// What the documents show is what happens: their examples are run and their output compared.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const test = suite('documents');

for (const name of [
  'README.md',
  'docs/policies.md',
  'docs/loading.md',
  'docs/adapters.md',
  'docs/training.md',
]) {
  test(`${name}: its example prints what it says`, () => {
    const text = readFileSync(`${root}${name}`, 'utf8');
    const code = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((m) => m[1]).join('\n');
    const expected = /```text\n([\s\S]*?)```/.exec(text)?.[1];
    // Node 20 does not know `using`; what it holds ends with the process
    const runnable = code.replace(/^using /gm, 'const ');
    const file = `${root}build/example-${name.replace(/\W/g, '-')}.mjs`;
    writeFileSync(file, runnable);
    try {
      assert.is(execFileSync(process.execPath, [file], { cwd: root, encoding: 'utf8' }), expected);
    } finally {
      rmSync(file);
    }
  });
}
test('links between documents lead somewhere', () => {
  for (const name of [
    'README.md',
    'ARCHITECTURE.md',
    'docs/algorithms.md',
    'docs/adapters.md',
    'docs/training.md',
    'docs/policies.md',
    'docs/loading.md',
    'docs/models.md',
    'docs/templates.md',
    'docs/runtimes.md',
    'docs/webgpu.md',
    'docs/tokenizers.md',
    'docs/cli.md',
    'docs/split.md',
    'docs/memory.md',
    'docs/evaluation.md',
    'docs/log.md',
    'models/README.md',
  ]) {
    const text = readFileSync(`${root}${name}`, 'utf8');
    const folder = name.includes('/') ? name.slice(0, name.lastIndexOf('/') + 1) : '';
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g))
      assert.ok(readFileSync(`${root}${folder}${link}`).length > 0, `${name}: ${link}`);
  }
});
test.run();
