// A suite whose every test has an empty folder of its own, which is gone afterwards.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type Test } from 'uvu';

export function folderSuite(name: string, prefix: string): Test<{ folder: string }> {
  const test = suite<{ folder: string }>(name, { folder: '' });
  test.before.each((context) => {
    context.folder = mkdtempSync(join(tmpdir(), prefix));
  });
  test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));
  return test;
}
