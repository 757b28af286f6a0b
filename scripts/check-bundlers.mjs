// The packed package in bundlers that nobody configured, in a browser, under content policies, and
// in workerd. Every bundle must answer what Node answers; what a bundler or a policy cannot do must
// cost threads, with the reason, never the answer.
// `node scripts/check-bundlers.mjs PART ...` runs the checks whose name has one of the parts.
import { spawn } from 'node:child_process';
import {
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { builtinModules } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  apps,
  Checks,
  expect,
  install,
  pack,
  root,
  runProgram,
  temporaryFolder,
} from './packed.mjs';

/** Known to work; newer ones may be tried by hand. */
const VERSIONS = {
  esbuild: '0.28.2',
  vite: '8.3.8',
  webpack: '5.113.0',
  'webpack-cli': '7.3.1',
  next: '16.4.6',
  react: '19.3.1',
  'react-dom': '19.3.1',
  miniflare: '4.20260730.0',
};
const chromiumPath = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path));
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const PAGE =
  '<!doctype html><title>recollect</title><script type="module" src="/page.js"></script>';
const alone = { reply: 'Rex', threads: 1, pipeline: 1, workers: 0, fallback: undefined };
const shared = { reply: 'Rex', threads: 2, pipeline: 1, workers: 1, fallback: undefined };
const split = { reply: 'Rex', threads: 1, pipeline: 2, workers: 2, fallback: undefined };

const checks = new Checks();
const parts = process.argv.slice(2);
const check = (name, work) =>
  parts.length === 0 || parts.some((part) => name.includes(part))
    ? checks.check(name, work)
    : undefined;
const folder = temporaryFolder();
const at = (...names) => join(folder, ...names);

/** Files of a folder, and the model, under some headers. */
async function serve(files, headers = {}) {
  const types = {
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
    '.html': 'text/html',
    '.wasm': 'application/wasm',
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const file =
      path === '/model.gguf' ? at('model.gguf') : join(files, path === '/' ? 'index.html' : path);
    if (!existsSync(file) || !statSync(file).isFile())
      return response.writeHead(404, headers).end();
    response.writeHead(200, {
      ...headers,
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Length': statSync(file).size,
    });
    createReadStream(file).pipe(response);
  });
  return listen(server);
}

/** What another server says, under more headers. */
async function forward(port, headers) {
  const server = createServer(async (request, response) => {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}${request.url}`, {
        headers: { accept: request.headers.accept ?? '*/*' },
        redirect: 'manual',
      });
      const body = Buffer.from(await answer.arrayBuffer());
      const kept = [...answer.headers].filter(
        ([name]) => !/^(content-encoding|content-length|transfer-encoding|connection)$/.test(name),
      );
      response.writeHead(answer.status, { ...Object.fromEntries(kept), ...headers }).end(body);
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  return listen(server);
}

async function listen(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    port: server.address().port,
    close: () => server.close(),
  };
}

/**
 * Starts a server of somebody else's and waits until it answers; it is ended with what it started.
 */
async function start(args, cwd, port) {
  const child = spawn(process.execPath, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {}
  };
  process.on('exit', stop);
  for (let i = 0; ; i++) {
    const answered = await fetch(`http://127.0.0.1:${port}/`).then(
      (r) => r.ok,
      () => false,
    );
    if (answered) return stop;
    if (i > 600 || child.exitCode !== null) {
      stop();
      throw new Error(`the server did not answer: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function freePort() {
  const { port, close } = await listen(createServer());
  close();
  return port;
}

let browser;
/** What a page's `talk` finds. */
async function talk(url, options = {}) {
  const page = await browser.newPage();
  const said = [];
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('console', (message) => said.push(message.text()));
  try {
    await page.goto(url);
    await page.waitForFunction('globalThis.talk', undefined, { timeout: 60_000 }).catch(() => {
      throw new Error(`the page did not load: ${said.join('; ')}`);
    });
    const found = await page.evaluate((given) => globalThis.talk(given), options);
    return { ...found, said: said.join('; ') };
  } finally {
    await page.close();
  }
}

/** Calls `use` with the address of what a server at a port serves, as an isolated page sees it. */
async function withIsolated(port, use) {
  const isolated = await forward(port, ISOLATED);
  try {
    await use(isolated.url);
  } finally {
    isolated.close();
  }
}

/** A bundle in a page: threads where it is isolated, workers that own layers where it is not. */
async function tryPage(files) {
  const [isolated, plain] = [await serve(files, ISOLATED), await serve(files)];
  try {
    expect(await talk(isolated.url, { threads: 2 }), { ...shared, isolated: true });
    expect(await talk(plain.url), { ...alone, isolated: false });
    expect(await talk(plain.url, { pipeline: 2 }), { ...split, isolated: false });
  } finally {
    isolated.close();
    plain.close();
  }
}

async function run(args, cwd) {
  const { code, stdout, stderr } = await runProgram(process.execPath, args, {
    cwd,
    seconds: 300,
    env: { NEXT_TELEMETRY_DISABLED: '1' },
  });
  if (code !== 0)
    throw new Error(
      `${args.join(' ')} ended with ${code}: ${stdout.slice(-3000)}${stderr.slice(-3000)}`,
    );
}

/** A folder that has what is installed beside it. */
function project(name, files) {
  mkdirSync(at(name), { recursive: true });
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(dirname(at(name, path)), { recursive: true });
    if (source === undefined) cpSync(join(apps, path), at(name, path));
    else writeFileSync(at(name, path), source);
  }
  return at(name);
}
const page = { 'page.js': undefined, 'talk.js': undefined };
const bin = (name, file) => at('node_modules', name, file);

await checks.check('everything installs', async () => {
  const { tarball } = pack(root, folder);
  install(
    folder,
    tarball,
    Object.entries(VERSIONS).map(([name, version]) => `${name}@${version}`),
  );
  if (!chromiumPath) throw new Error('no Chromium is installed: apt-get install chromium');
  const { chromium } = await import('playwright-core');
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
});
const esbuild = (await import(pathToFileURL(bin('esbuild', 'lib/main.js')).href)).default;

await check('esbuild (and a page for content policies)', async () => {
  const cwd = project('esbuild', page);
  for (const format of ['esm', 'iife']) {
    const { metafile } = await esbuild.build({
      entryPoints: [join(cwd, 'page.js')],
      bundle: true,
      format,
      outdir: join(cwd, 'dist'),
      metafile: true,
      logLevel: 'silent',
    });
    const foreign = Object.values(metafile.inputs).flatMap(({ imports }) =>
      imports.filter(({ path }) => builtinModules.includes(path) || path.startsWith('node:')),
    );
    if (foreign.length > 0)
      throw new Error(`Node's modules in the bundle: ${foreign.map(({ path }) => path)}`);
    writeFileSync(join(cwd, 'dist/index.html'), PAGE);
    await tryPage(join(cwd, 'dist'));
  }
});

const html =
  '<!doctype html><title>recollect</title><script type="module" src="./page.js"></script>';
await check('vite build (and a page for content policies)', async () => {
  const cwd = project('vite', { ...page, 'index.html': html });
  await run([bin('vite', 'bin/vite.js'), 'build'], cwd);
  await tryPage(join(cwd, 'dist'));
});
await check('vite dev', async () => {
  const cwd = project('vite', { ...page, 'index.html': html });
  mkdirSync(join(cwd, 'public'), { recursive: true });
  cpSync(at('model.gguf'), join(cwd, 'public/model.gguf'));
  const port = await freePort();
  const stop = await start(
    [bin('vite', 'bin/vite.js'), '--host', '127.0.0.1', '--port', `${port}`, '--strictPort'],
    cwd,
    port,
  );
  await withIsolated(port, async (url) => {
    // the first page makes it bundle what it depends on, and load again
    await talk(`http://127.0.0.1:${port}/`).catch(() => {});
    expect(await talk(`http://127.0.0.1:${port}/`, { pipeline: 2 }), split);
    expect(await talk(url, { threads: 2 }), shared);
  }).finally(stop);
});
await check('webpack', async () => {
  const cwd = project('webpack', page);
  await run(
    [
      bin('webpack', 'bin/webpack.js'),
      '--mode',
      'production',
      '--entry',
      './page.js',
      '--output-path',
      'dist',
      '--output-filename',
      'page.js',
    ],
    cwd,
  );
  writeFileSync(join(cwd, 'dist/index.html'), PAGE);
  await tryPage(join(cwd, 'dist'));
});
await check('next', async () => {
  const cwd = project('next', {
    'package.json': '{"private":true,"type":"module"}',
    'app/talk.js': readFileSync(join(apps, 'talk.js'), 'utf8'),
  });
  cpSync(join(apps, 'next'), cwd, { recursive: true });
  mkdirSync(join(cwd, 'public'), { recursive: true });
  cpSync(at('model.gguf'), join(cwd, 'public/model.gguf'));
  for (const bundler of ['--turbopack', '--webpack']) {
    await run([bin('next', 'dist/bin/next'), 'build', bundler], cwd);
    const port = await freePort();
    const stop = await start(
      [bin('next', 'dist/bin/next'), 'start', '--hostname', '127.0.0.1', '--port', `${port}`],
      cwd,
      port,
    );
    await withIsolated(port, async (url) => {
      expect(await talk(`http://127.0.0.1:${port}/`), alone);
      expect(await talk(`http://127.0.0.1:${port}/`, { pipeline: 2 }), split);
      expect(await talk(url, { threads: 2 }), shared);
    }).finally(stop);
  }
});

await check('content policies', async () => {
  const under = async (files, policy, headers, options) => {
    const server = await serve(files, { ...headers, 'Content-Security-Policy': policy });
    try {
      return await talk(server.url, options);
    } finally {
      server.close();
    }
  };
  const vite = at('vite/dist');
  const plain = at('esbuild/dist');
  const wasm = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
  const refused = { error: 'UnsupportedError', message: /script-src.*'wasm-unsafe-eval'/ };
  for (const files of [vite, plain]) expect(await under(files, "default-src 'self'", {}), refused);
  expect(await under(vite, "default-src 'self'", ISOLATED, { threads: 2 }), refused);
  expect(await under(vite, "default-src 'self'", {}, { pipeline: 2 }), refused);
  expect(await under(vite, wasm, {}), alone);
  expect(await under(vite, wasm, ISOLATED, { threads: 2 }), shared);
  expect(await under(vite, wasm, {}, { pipeline: 2 }), split);
  // esbuild leaves the workers' files behind, and the policy forbids to start them from their text
  const without = { ...alone, fallback: /could not be started|stopped/, said: /recollect: / };
  expect(await under(plain, wasm, ISOLATED, { threads: 2 }), without);
  expect(await under(plain, wasm, {}, { pipeline: 2 }), without);
  expect(await under(plain, `${wasm}; worker-src 'self' blob:`, ISOLATED, { threads: 2 }), shared);
  expect(await under(vite, `${wasm}; worker-src 'none'`, {}, { pipeline: 2 }), without);
  expect(await under(vite, `${wasm}; worker-src 'none'`, ISOLATED, { threads: 2 }), without);
});
await browser?.close();

await check('workerd: a Worker and a Durable Object', async () => {
  const cwd = project('workerd', { 'worker.js': undefined, 'talk.js': undefined });
  const { metafile } = await esbuild.build({
    entryPoints: [join(cwd, 'worker.js')],
    bundle: true,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['*.gguf'],
    outfile: join(cwd, 'dist/worker.mjs'),
    metafile: true,
    logLevel: 'silent',
  });
  const inputs = Object.keys(metafile.inputs);
  if (inputs.some((path) => /runtime\/(node|web)\.js$/.test(path)))
    throw new Error('another runtime is in the bundle');
  const script = readFileSync(join(cwd, 'dist/worker.mjs'), 'utf8');
  if (/\bnew Worker\(|from ?["']node:|require\(["']/.test(script))
    throw new Error('the bundle starts workers or imports modules of Node');
  writeFileSync(join(cwd, 'drive.mjs'), readFileSync(join(apps, 'drive-workerd.mjs')));
  // miniflare wants Node 22
  const [major] = process.versions.node.split('.');
  const [file, args] = Number(major) >= 22 ? [process.execPath, []] : ['npx', ['-y', 'node@24']];
  const { code, stdout, stderr } = await runProgram(
    file,
    [...args, join(cwd, 'drive.mjs'), join(cwd, 'dist/worker.mjs'), at('model.gguf')],
    {
      cwd,
      seconds: 180,
    },
  );
  if (code !== 0) throw new Error(`${stdout}${stderr}`);
  const found = JSON.parse(stdout.trim().split('\n').at(-1));
  expect(found.auto, alone);
  expect(found.one, alone);
  expect(found.threads, { error: 'UnsupportedError', message: /2 threads.*workerd.*'auto'/ });
  expect(found.pipeline, { error: 'UnsupportedError', message: /2 workers.*workerd.*'auto'/ });
  expect(found.path, { error: 'UnsupportedError', message: /no file system/ });
  expect(found.object, alone);
  expect(found.abort, { error: 'AbortError', said: 1, after: 'Rex' });
  expect(found.left, { reply: 'Rex' });
  expect(found.old, {
    error: 'UnsupportedError',
    message: /compatibility_date|compatibility date/,
  });
});
checks.end();
