// Builds what changed: kernels (asc, every target of asconfig.json), their bytes as modules, the
// table of what TypeScript has to know of them, the TypeScript, the texts of the workers. Output in
// build/ only.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KERNEL_TABLE, writeKernelTable } from './kernel-table.mjs';
import { SHADERS, SHADER_TABLE, writeShaderTable } from './shader-table.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
function run(script, args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(`the build stopped at ${script}: see the messages above`);
    process.exit(1);
  }
}

/** A hash of all sources below some folders, of some files, and of this script. */
function fingerprint(paths, files) {
  const hash = createHash('sha256');
  const visit = (path) => {
    if (!existsSync(join(root, path))) return;
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) visit(child);
      else if (/\.(ts|json|wgsl)$/.test(entry.name))
        hash.update(child).update(readFileSync(join(root, child)));
    }
  };
  for (const path of paths) visit(path);
  for (const file of [...files, 'scripts/build.mjs']) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/** Does the work where its inputs changed, or one of its outputs is not there. */
async function once(name, { paths, files, outputs }, work) {
  const stamp = join(root, 'build', `${name}.stamp`);
  const now = fingerprint(paths, files);
  let before = '';
  try {
    before = readFileSync(stamp, 'utf8');
  } catch {}
  if (before === now && outputs.every((path) => existsSync(join(root, path)))) return;
  // what is interrupted is done again
  rmSync(stamp, { force: true });
  const begin = Date.now();
  await work();
  writeFileSync(`${stamp}.tmp`, now);
  renameSync(`${stamp}.tmp`, stamp);
  console.error(`built ${name} in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

/** A module whose default export is a text. */
function writeText(path, text) {
  writeFileSync(join(root, `${path}.js`), `export default ${JSON.stringify(text)};\n`);
  writeFileSync(join(root, `${path}.d.ts`), 'declare const text: string;\nexport default text;\n');
}

/**
 * Workers whose text ships too, for where their files cannot be found
 * (src/runtime/start-worker.ts).
 */
const workers = {
  thread: 'build/js/src/backend/wasm/thread.js',
  layers: 'build/js/src/engine/pipeline/worker.js',
  file: 'build/js/src/runtime/opfs/worker.js',
};

mkdirSync(join(root, 'build', 'kernels'), { recursive: true });
mkdirSync(join(root, 'build', 'workers'), { recursive: true });
const targets = Object.keys(JSON.parse(readFileSync(join(root, 'asconfig.json'), 'utf8')).targets);
const kernelFiles = [...targets.map((target) => `build/kernels/${target}.bytes.js`), KERNEL_TABLE];
const kernelInputs = [
  'asconfig.json',
  'node_modules/assemblyscript/package.json',
  'scripts/kernel-table.mjs',
];
await once('kernels', { paths: ['assembly'], files: kernelInputs, outputs: kernelFiles }, () => {
  for (const target of targets) {
    run('assemblyscript/bin/asc.js', ['--config', 'asconfig.json', '--target', target]);
    writeText(
      `build/kernels/${target}.bytes`,
      readFileSync(join(root, 'build/kernels', `${target}.wasm`)).toString('base64'),
    );
  }
  writeKernelTable(root);
});
await once(
  'shaders',
  { paths: [SHADERS], files: ['scripts/shader-table.mjs'], outputs: [SHADER_TABLE] },
  () => writeShaderTable(root),
);
const sources = ['src', 'test', 'bench', 'assembly'];
const jsFiles = ['build/js/src/index.js', 'build/js/src/index.d.ts', 'build/js/test/run.js'];
await once(
  'js',
  {
    paths: sources,
    files: ['tsconfig.json', 'package.json', 'package-lock.json', 'scripts/kernel-table.mjs'],
    outputs: jsFiles,
  },
  () => {
    // the compiler wants to know that they are text
    for (const name of Object.keys(workers))
      if (!existsSync(join(root, `build/workers/${name}.text.js`)))
        writeText(`build/workers/${name}.text`, '');
    // what has no source any more must not be packed
    rmSync(join(root, 'build/js'), { recursive: true, force: true });
    run('typescript/bin/tsc', ['-p', 'tsconfig.json']);
  },
);
const workerFiles = Object.keys(workers).map((name) => `build/workers/${name}.text.js`);
await once(
  'workers',
  { paths: ['src', 'assembly'], files: ['package-lock.json'], outputs: workerFiles },
  async () => {
    const { build } = await import('esbuild');
    for (const [name, entry] of Object.entries(workers)) {
      const { outputFiles } = await build({
        entryPoints: [join(root, entry)],
        bundle: true,
        write: false,
        format: 'iife',
        target: 'es2022',
        minify: true,
        legalComments: 'none',
        logLevel: 'error',
      });
      writeText(`build/workers/${name}.text`, outputFiles[0].text);
    }
  },
);
