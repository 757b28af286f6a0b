// Makes a fresh clone ready: installs the packages that package-lock.json names, then builds. Does
// nothing where nothing changed. Runs before every npm script that needs it; prints to standard
// error only.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [major] = process.versions.node.split('.');
if (Number(major) < 20) {
  console.error(`recollect needs Node 20 or newer, this is ${process.version}`);
  process.exit(1);
}
const stamp = join(root, 'node_modules', '.recollect-lock');
const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('installing packages (npm ci) ...');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm) execFileSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  else
    execFileSync('npm', args, {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    });
  writeFileSync(stamp, lock);
}
await import('./build.mjs');
