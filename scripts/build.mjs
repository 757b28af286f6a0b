// Builds what changed: kernels (asc, every target of asconfig.json), their bytes as modules, the TypeScript. Output in build/ only.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
function run(script, args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    console.error(`the build stopped at ${script}: see the messages above`);
    process.exit(1);
  }
}

/** A hash of all files below some folders (and of this script and the configurations). */
function fingerprint(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    if (!existsSync(join(root, path))) return;
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) visit(child);
      else if (/\.(ts|json)$/.test(entry.name)) hash.update(child).update(readFileSync(join(root, child)));
    }
  };
  for (const path of paths) visit(path);
  for (const file of ['asconfig.json', 'tsconfig.json', 'package-lock.json', 'scripts/build.mjs']) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function once(name, paths, work) {
  const stamp = join(root, 'build', `${name}.stamp`);
  const now = fingerprint(paths);
  let before = '';
  try {
    before = readFileSync(stamp, 'utf8');
  } catch {}
  if (before === now) return;
  const begin = Date.now();
  work();
  writeFileSync(stamp, now);
  console.error(`built ${name} in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

mkdirSync(join(root, 'build', 'kernels'), { recursive: true });
once('kernels', ['assembly'], () => {
  for (const target of Object.keys(JSON.parse(readFileSync(join(root, 'asconfig.json'), 'utf8')).targets)) {
    run('assemblyscript/bin/asc.js', ['--config', 'asconfig.json', '--target', target]);
    const bytes = readFileSync(join(root, 'build/kernels', `${target}.wasm`)).toString('base64');
    writeFileSync(join(root, 'build/kernels', `${target}.bytes.js`), `export default '${bytes}';\n`);
    writeFileSync(join(root, 'build/kernels', `${target}.bytes.d.ts`), 'declare const bytes: string;\nexport default bytes;\n');
  }
});
once('js', ['src', 'test', 'bench', 'assembly'], () => run('typescript/bin/tsc', ['-p', 'tsconfig.json']));
