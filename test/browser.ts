// A browser for tests and benches: where Chromium is, and pages served to it on this machine.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';

/** Chromium, where it is installed. */
export const chromiumPath = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path));
export const chromiumArguments = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
];

/** WebGPU on a device in software. */
export const softwareGpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** What a page needs without a bundler: where bare names lie. */
export const packageImports = {
  '#runtime': '/build/js/src/runtime/web.js',
  '#kernels/': '/build/kernels/',
  '#kernels/simd.bytes': '/build/kernels/simd.bytes.js',
  '#kernels/relaxed.bytes': '/build/kernels/relaxed.bytes.js',
  '#workers/thread.text': '/build/workers/thread.text.js',
  '#workers/layers.text': '/build/workers/layers.text.js',
  '#workers/file.text': '/build/workers/file.text.js',
  '@assemblyscript/loader': '/node_modules/@assemblyscript/loader/index.js',
  '@huggingface/jinja': '/node_modules/@huggingface/jinja/dist/index.js',
  stemmer: '/node_modules/stemmer/index.js',
};

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/**
 * Serves a page at / and files beside it, with cross-origin isolation or without. `fileOf` tells
 * where a path's file lies.
 */
export async function servePage(
  page: string,
  fileOf: (path: string) => string | undefined,
  isolated: boolean,
): Promise<{ url: string; close(): Promise<unknown> }> {
  const headers: Record<string, string> = isolated
    ? {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      }
    : {};
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const file = fileOf(path);
    if (path === '/')
      response.writeHead(200, { ...headers, 'Content-Type': 'text/html' }).end(page);
    else if (file === undefined || !existsSync(file) || !statSync(file).isFile())
      response.writeHead(404, headers).end();
    else {
      response.writeHead(200, {
        ...headers,
        'Content-Type': types[extname(file)] ?? 'application/octet-stream',
        'Content-Length': statSync(file).size,
        'Last-Modified': statSync(file).mtime.toUTCString(),
      });
      createReadStream(file).pipe(response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
