// Packs the package of a fresh copy of this repository as npm would publish it, installs it into an
// empty folder, and uses it there: in Node, Deno and Bun, from TypeScript, from the command line.
// Nothing may be missing, and nothing may keep a program from ending.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  apps,
  Checks,
  expect,
  install,
  npm,
  pack,
  root,
  runProgram,
  temporaryFolder,
} from './packed.mjs';

/** Known to work; newer ones may be tried by hand. */
const TOOLS = { deno: '2.9.6', bun: '1.4.5', typescript: '5.9.3' };
/** Seconds that a program which disposes of nothing may take, its work included. */
const ENDS_WITHIN = 60;

const checks = new Checks();
const folder = temporaryFolder();
const use = join(folder, 'use');
const tools = join(folder, 'tools');

await checks.check(
  'npm pack on a fresh copy builds, and packs what is needed and nothing else',
  () => {
    // what git would clone, with changes that are not committed yet
    const clone = join(folder, 'clone');
    const files = execFileSync(
      'git',
      ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
      { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    for (const file of files
      .split('\0')
      .filter((name) => name !== '' && existsSync(join(root, name)))) {
      mkdirSync(dirname(join(clone, file)), { recursive: true });
      cpSync(join(root, file), join(clone, file));
    }
    const { tarball, about } = pack(clone, folder);
    const paths = about.files.map(({ path }) => path);
    for (const wanted of [
      'LICENSE',
      'README.md',
      'package.json',
      'build/js/src/index.js',
      'build/js/src/index.d.ts',
      'build/js/src/cli/main.js',
      'build/js/src/backend/wasm/thread.js',
      'build/js/src/engine/pipeline/worker.js',
      'build/kernels/simd.bytes.js',
      'build/kernels/relaxed.bytes.js',
      'build/workers/thread.text.js',
      'build/workers/layers.text.js',
      'build/workers/file.text.js',
    ])
      if (!paths.includes(wanted)) throw new Error(`${wanted} is missing`);
    const odd = paths.filter((path) =>
      /(^|\/)(test|bench|scripts|node_modules|\.ci)\/|debug\.|\.stamp$|\.map$/.test(path),
    );
    if (odd.length > 0) throw new Error(`these are not for users: ${odd.join(', ')}`);
    console.log(
      `     ${(about.size / 2 ** 20).toFixed(1)} MB packed, ` +
        `${(about.unpackedSize / 2 ** 20).toFixed(1)} MB unpacked, ${paths.length} files`,
    );
    mkdirSync(use);
    install(use, tarball);
  },
);

await checks.check(
  'types: a program that uses all of it compiles, with either lib, resolution and compiler',
  async () => {
    mkdirSync(tools);
    writeFileSync(join(tools, 'package.json'), '{"private":true}');
    npm(
      [
        'install',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
        ...Object.entries(TOOLS).map(([name, version]) => `${name}@${version}`),
      ],
      tools,
    );
    cpSync(join(apps, 'consumer.ts'), join(use, 'consumer.ts'));
    for (const compiler of [
      join(tools, 'node_modules/typescript'),
      join(root, 'node_modules/typescript'),
    ])
      for (const [module, moduleResolution] of [
        ['esnext', 'bundler'],
        ['node16', 'node16'],
        ['nodenext', 'nodenext'],
      ])
        for (const lib of [
          ['es2022', 'dom'],
          ['es2023', 'dom', 'esnext.disposable'],
        ]) {
          const strict = {
            strict: true,
            exactOptionalPropertyTypes: true,
            noUncheckedIndexedAccess: true,
            skipLibCheck: false,
          };
          const compilerOptions = {
            ...strict,
            noEmit: true,
            target: 'es2022',
            lib,
            module,
            moduleResolution,
            types: [],
          };
          writeFileSync(
            join(use, 'tsconfig.json'),
            JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
          );
          const { code, stdout } = await runProgram(
            process.execPath,
            [join(compiler, 'bin/tsc'), '-p', '.'],
            { cwd: use },
          );
          if (code !== 0) throw new Error(`${moduleResolution}, ${lib}: ${stdout.slice(0, 2000)}`);
        }
  },
);

await checks.check('types: declarations alone need no DOM, no Node and no esnext', async () => {
  writeFileSync(
    join(use, 'bare.ts'),
    "import type { Conversation } from 'recollect';\nexport type Text = " +
      "Parameters<Conversation['ask']>[0];\n",
  );
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2022',
    lib: ['es2022'],
  };
  writeFileSync(
    join(use, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { ...compilerOptions, module: 'nodenext', types: [] },
      files: ['bare.ts'],
    }),
  );
  const { code, stdout } = await runProgram(
    process.execPath,
    [join(tools, 'node_modules/typescript/bin/tsc'), '-p', '.'],
    { cwd: use },
  );
  if (code !== 0) throw new Error(stdout.slice(0, 2000));
});

await checks.check('types: whatever a public type mentions is public', async () => {
  const index = join(use, 'node_modules/recollect/build/js/src/index.d.ts');
  const { code, stdout, stderr } = await runProgram(process.execPath, [
    join(root, 'scripts/public-types.mjs'),
    join(tools, 'node_modules/typescript'),
    index,
  ]);
  if (code !== 0) throw new Error(stdout + stderr);
});

await checks.check('the command runs from the tarball', async () => {
  const { code, stdout, stderr } = await runProgram(
    'npx',
    ['--no-install', 'recollect', '--help'],
    { cwd: use },
  );
  if (code !== 0 || !/recollect/.test(stdout + stderr))
    throw new Error(`${code}: ${stdout}${stderr}`);
});

for (const app of ['talk.js', 'undisposed.js']) cpSync(join(apps, app), join(use, app));
const runtimes = {
  Node: [process.execPath, []],
  Deno: [join(tools, 'node_modules/.bin/deno'), ['run', '-A', '--node-modules-dir=manual']],
  Bun: [join(tools, 'node_modules/.bin/bun'), ['run']],
};
const ways = {
  'one thread': { threads: 1 },
  'two threads': { threads: 2 },
  'a pipeline of two workers': { pipeline: 2 },
};
for (const [name, [file, args]] of Object.entries(runtimes))
  for (const [way, options] of Object.entries(ways))
    await checks.check(
      `${name}, ${way}: answers, and ends though nothing is disposed of`,
      async () => {
        const { code, stdout, stderr } = await runProgram(
          file,
          [...args, 'undisposed.js', JSON.stringify(options)],
          { cwd: use, seconds: ENDS_WITHIN },
        );
        if (code !== 0) throw new Error(`exit ${code}: ${stdout}${stderr}`);
        const { threads = 1, pipeline = 1 } = options;
        const workers = pipeline > 1 ? pipeline : threads - 1;
        expect(JSON.parse(stdout.trim().split('\n').at(-1)), {
          reply: 'Rex',
          threads,
          pipeline,
          workers,
          fallback: undefined,
        });
      },
    );

await checks.check(
  'Node that may not start threads: reported threads are those that run',
  async () => {
    const permission =
      Number(process.versions.node.split('.')[0]) >= 24
        ? '--permission'
        : '--experimental-permission';
    const { code, stdout, stderr } = await runProgram(
      process.execPath,
      [permission, '--allow-fs-read=*', 'undisposed.js', '{"threads":3}'],
      { cwd: use },
    );
    if (code !== 0) throw new Error(`exit ${code}: ${stdout}${stderr}`);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)), {
      reply: 'Rex',
      threads: 1,
      workers: 0,
      fallback: /could not be started/,
    });
  },
);
checks.end();
