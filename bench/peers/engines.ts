// Whole engines on the same model file: llama.cpp native (node-llama-cpp) and in WebAssembly (wllama, in Chromium).
import { existsSync, readFileSync, statSync, createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { loadPeer, peerPath, peersFolder } from './load.ts';

export interface EngineRate {
  readonly prefill: number; // tokens a second
  readonly decode: number;
}

interface LlamaCpp {
  getLlama(options: { gpu: false; logLevel: 'error' }): Promise<{
    loadModel(options: { modelPath: string }): Promise<{
      createContext(options: { contextSize: number; batchSize: number; threads: number; flashAttention: boolean }): Promise<{
        getSequence(): {
          evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
          clearHistory(): Promise<void>;
        };
        dispose(): Promise<void>;
      }>;
      dispose(): Promise<void>;
    }>;
    dispose(): Promise<void>;
  }>;
}

/** llama.cpp as it runs on this processor; undefined where node-llama-cpp is not installed. Best of `rounds`. */
export async function nativeLlama(path: string, threads: number, prompt: number, reply: number, rounds: number): Promise<EngineRate | undefined> {
  const peer = await loadPeer<LlamaCpp>('node-llama-cpp');
  if (!peer) return undefined;
  const llama = await peer.getLlama({ gpu: false, logLevel: 'error' });
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ contextSize: 1024, batchSize: prompt, threads, flashAttention: true });
  const sequence = context.getSequence();
  const rates: EngineRate[] = [];
  for (let round = 0; round < rounds; round++) {
    await sequence.clearHistory();
    const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919 + round) % 49000);
    let begin = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens);
    const prefill = prompt / ((performance.now() - begin) / 1000);
    begin = performance.now();
    for (let i = 0; i < reply; i++) await sequence.evaluateWithoutGeneratingNewTokens([i]);
    rates.push({ prefill, decode: reply / ((performance.now() - begin) / 1000) });
  }
  await context.dispose();
  await model.dispose();
  await llama.dispose();
  return bestOf(rates);
}

const bestOf = (rates: readonly EngineRate[]): EngineRate => ({
  prefill: Math.max(...rates.map((r) => r.prefill)),
  decode: Math.max(...rates.map((r) => r.decode)),
});

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const types: Record<string, string> = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

/** What the page runs. */
const PAGE = `<!doctype html><title>wllama</title><script type="module">
import { Wllama } from '/index.js';
globalThis.measure = async ({ threads, prompt, reply, rounds }) => {
  const wasm = '/wasm/wllama.wasm';
  const engine = new Wllama({ default: wasm, 'single-thread/wllama.wasm': wasm, 'multi-thread/wllama.wasm': wasm });
  const model = await (await fetch('/model.gguf')).blob();
  await engine.loadModel([model], { n_ctx: 1024, n_batch: prompt, n_threads: threads, n_gpu_layers: 0, warmup: false });
  const found = [];
  for (let round = 0; round < rounds; round++) {
    // one token a letter
    const text = Array.from({ length: prompt }, (_, i) => String.fromCharCode(97 + ((i * 7 + round) % 26))).join('');
    const { timings } = await engine.createCompletion({ prompt: text, max_tokens: reply, temperature: 0 });
    if (!timings || timings.prompt_n < 0.9 * prompt) throw new Error('wllama took ' + timings?.prompt_n + ' tokens in, not ' + prompt);
    found.push({ prefill: timings.prompt_per_second, decode: timings.predicted_per_second });
  }
  return found;
};
</script>`;

interface Page {
  waitForFunction(expression: string): Promise<unknown>;
  goto(url: string): Promise<unknown>;
  evaluate<A, R>(work: (argument: A) => Promise<R>, argument: A): Promise<R>;
}
interface Playwright {
  chromium: { launch(options: object): Promise<{ newPage(): Promise<Page>; close(): Promise<void> }> };
}

/** wllama in Chromium, by its own timings; undefined where it, playwright-core or Chromium are missing. Best of `rounds`. */
export async function wllama(path: string, threads: number, prompt: number, reply: number, rounds: number): Promise<EngineRate | undefined> {
  const playwright = await loadPeer<Playwright>('playwright-core');
  if (!playwright || !peerPath('@wllama/wllama') || !CHROMIUM) return undefined;
  const server = createServer((request, response) => {
    const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
    const url = new URL(request.url ?? '/', 'http://localhost').pathname;
    const file = url === '/model.gguf' ? path : `${peersFolder}node_modules/@wllama/wllama/esm${url}`; // of an installed package, on this machine only
    if (url === '/') response.writeHead(200, { ...headers, 'Content-Type': 'text/html' }).end(PAGE);
    else if (!existsSync(file) || !statSync(file).isFile()) response.writeHead(404, headers).end();
    else {
      response.writeHead(200, { ...headers, 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Length': statSync(file).size });
      createReadStream(file).pipe(response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const browser = await playwright.chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction('globalThis.measure');
    const rates = await page.evaluate((argument) => (globalThis as unknown as { measure(argument: object): Promise<EngineRate[]> }).measure(argument), {
      threads,
      prompt,
      reply,
      rounds,
    });
    return bestOf(rates);
  } finally {
    await browser.close();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Versions of the peers that are installed. */
export function peerVersions(): Record<string, string> {
  const names = Object.keys((JSON.parse(readFileSync(`${peersFolder}package.json`, 'utf8')) as { dependencies: Record<string, string> }).dependencies);
  return Object.fromEntries(
    names.flatMap((name) => {
      const path = peerPath(`${name}/package.json`);
      return path ? [[name, (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version]] : [];
    }),
  );
}
