// Puts npm's webgpu into this clone's node_modules, for the tests of Node's WebGPU. (`npm install
// --no-save` of what package.json names as an optional peer installs nothing: npm 11.)
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './packed.mjs';

const VERSION = '0.6.2';

const folder = mkdtempSync(join(tmpdir(), 'recollect-webgpu-'));
try {
  const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', [...args, `webgpu@${VERSION}`], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  cpSync(join(folder, 'node_modules'), join(root, 'node_modules'), {
    recursive: true,
    filter: (path) => !path.endsWith('.package-lock.json'),
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
