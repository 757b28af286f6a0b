// Makes build/js small for the package: JavaScript without comments and long names, declarations of
// the public types only. `--undo` has the next build make all of it anew.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const built = fileURLToPath(new URL('../build/js', import.meta.url));
if (process.argv.includes('--undo')) {
  rmSync(`${built}.stamp`, { force: true });
  process.exit();
}
const files = readdirSync(built, { recursive: true, encoding: 'utf8' }).map((file) =>
  join(built, file),
);

for (const file of files.filter((name) => name.endsWith('.js'))) {
  const { code } = await transform(readFileSync(file, 'utf8'), {
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
  });
  writeFileSync(file, code);
}

/** Declarations that a user of the package can reach. */
const reached = new Set();
const reach = (file) => {
  if (reached.has(file) || !existsSync(file)) return;
  reached.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/['"](\.{1,2}\/[^'"]+)\.[jt]s['"]/g))
    reach(`${resolve(dirname(file), path)}.d.ts`);
};
reach(join(built, 'src/index.d.ts'));
for (const file of files) if (file.endsWith('.d.ts') && !reached.has(file)) rmSync(file);
