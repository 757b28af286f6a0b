// Puts npm's webgpu into this clone's node_modules, for the tests of Node's WebGPU. (`npm install`
// of what package.json names as an optional peer installs nothing: findings/npm-optional-peer.sh.)
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { npm, root, temporaryFolder } from './packed.mjs';

const VERSION = '0.6.2';

const folder = temporaryFolder();
// wherever npm would look for a project above it
const into = ['--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error'];
npm(['install', ...into, `webgpu@${VERSION}`], folder);
cpSync(join(folder, 'node_modules'), join(root, 'node_modules'), {
  recursive: true,
  filter: (path) => !path.endsWith('.package-lock.json'),
});
