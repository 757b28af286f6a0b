// The files that CONTRIBUTING.md and ARCHITECTURE.md name are there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const root = new URL('../../../..', import.meta.url).pathname;
const test = suite('files that documents name');

for (const name of ['CONTRIBUTING.md', 'ARCHITECTURE.md']) {
  test(name, () => {
    const text = readFileSync(join(root, name), 'utf8');
    const paths = [...text.matchAll(/`((?:src|assembly|test|bench|scripts|docs|build)\/[^`\s]*)`/g)]
      .map(([, path]) => path)
      // a place for a name, or made by the build
      .filter((path) => !path.includes('<') && !path.startsWith('build/'));
    assert.ok(paths.length > 10);
    assert.equal(
      paths.filter((path) => !existsSync(join(root, path))),
      [],
    );
  });
}
test.run();
