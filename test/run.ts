// Runs every *.test.ts, fails a file that ran nothing, lists what was skipped and why, and closes
// with the counts.
// `npm test -- PART ...` runs the files whose path has one of the parts.
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skips } from './skip.ts';

type Outcome = [errors: string | true, passed: number, skipped: number, total: number];
const uvu = globalThis as unknown as {
  UVU_DEFER: number;
  UVU_INDEX: number;
  UVU_QUEUE: (string | (() => Promise<Outcome>))[][];
};
uvu.UVU_DEFER = 1;

// a software device for WebGPU, which Chromium brings: others are searched for long, and found last
const icd = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(icd)) process.env.VK_ICD_FILENAMES ??= icd;
// without it the driver complains on standard error, which tests of commands read
process.env.XDG_RUNTIME_DIR ??= tmpdir();
uvu.UVU_QUEUE = [];

const root = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter(
    (file) =>
      file.endsWith('.test.js') &&
      (wanted.length === 0 || wanted.some((part) => file.includes(part))),
  )
  .sort();

let passed = 0;
let failed = 0;
const fail = (file: string, why: unknown) => {
  failed++;
  console.error(`\n  FAIL ${file}: ${why instanceof Error ? (why.stack ?? why.message) : why}\n`);
};
for (const [index, file] of files.entries()) {
  uvu.UVU_INDEX = index;
  uvu.UVU_QUEUE[index] = [];
  try {
    await import(join(root, file));
  } catch (error) {
    fail(file, error);
    continue;
  }
  const suites = uvu.UVU_QUEUE[index] as (() => Promise<Outcome>)[];
  const begin = performance.now();
  let total = 0;
  console.log(relative(root, join(root, file)).replace(/\.js$/, '.ts'));
  for (const suite of suites) {
    try {
      const [errors, good, , all] = await suite();
      total += all;
      passed += good;
      failed += all - good;
      if (errors !== true) console.error(errors);
    } catch (error) {
      total++;
      fail(file, error);
    }
  }
  if (total === 0 && !skips.some((s) => s.file === file))
    fail(file, 'it ran no test: did it forget .run()?');
  console.log(`  ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}
if (files.length === 0) fail('test', `no file matches ${wanted.join(' ')}`);
for (const { name, reason } of skips) console.log(`skipped: ${name} (${reason})`);
console.log(
  `\n${passed} passed, ${failed} failed${skips.length > 0 ? `, ${skips.length} skipped` : ''}`,
);
process.exitCode = failed > 0 ? 1 : 0;
