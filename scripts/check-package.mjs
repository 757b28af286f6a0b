// Packs the package as npm would publish it, installs it into an empty folder, and uses it there: nothing may be missing, types included.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'recollect-package-'));
const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], shell: process.platform === 'win32' });
try {
  const [{ filename, unpackedSize }] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  npm(['install', '--no-audit', '--no-fund', '--loglevel=error', `./${filename}`], folder);
  writeFileSync(
    join(folder, 'use.ts'),
    `import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { loadModel, openConversation, type MemoryReport } from 'recollect';
const home = dirname(createRequire(import.meta.url).resolve('recollect/package.json'));
const model = await loadModel(join(home, 'models', 'recollect-tiny.gguf'));
const conversation = openConversation(model, { budget: '4MB', policy: 'snapkv' });
await conversation.add("Ravi: The name of Ana's dog is Rex.\\nRavi: As I said, Ana's dog is called Rex.\\n");
const answer: string = (await conversation.ask("What is Ana's dog called?").text()).trim();
const memory: MemoryReport = conversation.memory;
if (answer !== 'Rex' || memory.peakBytes > memory.promisedBytes) throw new Error(\`answered '\${answer}'\`);
`,
  );
  const compiler = [
    '--strict',
    '--module',
    'nodenext',
    '--moduleResolution',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023,dom,esnext.disposable',
    '--typeRoots',
    join(root, 'node_modules/@types'),
    '--types',
    'node',
  ];
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...compiler, 'use.ts'], { cwd: folder, stdio: ['ignore', 2, 2] });
  execFileSync(process.execPath, ['use.js'], { cwd: folder, stdio: ['ignore', 2, 2] });
  console.log(`the packed package (${(unpackedSize / 2 ** 20).toFixed(1)} MB) installs, type-checks and answers`);
} finally {
  rmSync(folder, { recursive: true });
}
