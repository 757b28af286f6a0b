// Whole engines on the same model file: llama.cpp native (node-llama-cpp) and in WebAssembly
// (wllama, in Chromium).
import { readFileSync } from 'node:fs';
import { chromiumArguments, chromiumPath, servePage } from '../../test/browser.ts';
import { bestOf, type EngineRate, type EngineTask, type OpenEngine, promptOf } from '../task.ts';
import { loadPeer, peerPath, peersFolder } from './load.ts';

interface LlamaCpp {
  getLlama(options: { gpu: false; logLevel: 'error' }): Promise<{
    loadModel(options: { modelPath: string }): Promise<{
      createContext(options: {
        contextSize: number;
        batchSize: number;
        threads: number;
        flashAttention: boolean;
      }): Promise<{
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

/** Best rates of engines that take turns: neighbours on the machine only ever take speed away. */
export async function inTurn(
  engines: readonly OpenEngine[],
  rounds: number,
): Promise<EngineRate[]> {
  const rates = engines.map(() => [] as EngineRate[]);
  for (let round = 0; round < rounds; round++)
    for (const [i, engine] of engines.entries()) rates[i].push(await engine.measure(round));
  return rates.map(bestOf);
}

/** llama.cpp as it runs on this processor; undefined where node-llama-cpp is not installed. */
export async function openNative(task: EngineTask): Promise<OpenEngine | undefined> {
  const { path, threads, prompt, reply } = task;
  const peer = await loadPeer<LlamaCpp>('node-llama-cpp');
  if (!peer) return undefined;
  const llama = await peer.getLlama({ gpu: false, logLevel: 'error' });
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({
    contextSize: 1024,
    batchSize: prompt,
    threads,
    flashAttention: true,
  });
  const sequence = context.getSequence();
  return {
    name: 'llama.cpp, native',
    async measure(round) {
      await sequence.clearHistory();
      const tokens = promptOf(prompt, round);
      let begin = performance.now();
      await sequence.evaluateWithoutGeneratingNewTokens(tokens);
      const prefill = prompt / ((performance.now() - begin) / 1000);
      begin = performance.now();
      for (let i = 0; i < reply; i++) await sequence.evaluateWithoutGeneratingNewTokens([i]);
      return { prefill, decode: reply / ((performance.now() - begin) / 1000) };
    },
    async close() {
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}

/** What the page runs. */
const PAGE = `<!doctype html><title>wllama</title><script type="module">
import { Wllama } from '/index.js';
const wasm = '/wasm/wllama.wasm';
const engine = new Wllama({ default: wasm, 'single-thread/wllama.wasm': wasm, 'multi-thread/wllama.wasm': wasm });
globalThis.load = async ({ threads, prompt }) => {
  const model = await (await fetch('/model.gguf')).blob();
  await engine.loadModel([model], { n_ctx: 1024, n_batch: prompt, n_threads: threads, n_gpu_layers: 0, warmup: false });
};
globalThis.measure = async ({ prompt, reply, round }) => {
  // one token a letter
  const text = Array.from({ length: prompt }, (_, i) => String.fromCharCode(97 + ((i * 7 + round) % 26))).join('');
  const { timings } = await engine.createCompletion({ prompt: text, max_tokens: reply, temperature: 0 });
  if (!timings || timings.prompt_n < 0.9 * prompt) throw new Error('wllama took ' + timings?.prompt_n + ' tokens in, not ' + prompt);
  if (timings.predicted_n < 0.9 * reply) throw new Error('wllama said ' + timings.predicted_n + ' tokens, not ' + reply);
  return { prefill: timings.prompt_per_second, decode: timings.predicted_per_second };
};
</script>`;

/** What the page's script leaves to be called. */
interface PageGlobals {
  load(argument: object): Promise<void>;
  measure(argument: object): Promise<EngineRate>;
}

interface Page {
  waitForFunction(expression: string): Promise<unknown>;
  goto(url: string): Promise<unknown>;
  evaluate<A, R>(work: (argument: A) => Promise<R>, argument: A): Promise<R>;
}
interface Playwright {
  chromium: {
    launch(options: object): Promise<{ newPage(): Promise<Page>; close(): Promise<void> }>;
  };
}

/**
 * wllama in Chromium, by its own timings; undefined where it, playwright-core or Chromium are
 * missing.
 */
export async function openWllama({ path, ...task }: EngineTask): Promise<OpenEngine | undefined> {
  const playwright = await loadPeer<Playwright>('playwright-core');
  if (!playwright || !peerPath('@wllama/wllama') || !chromiumPath) return undefined;
  const fileOf = (url: string) =>
    url === '/model.gguf' ? path : peerPath(`@wllama/wllama/esm${url}`);
  const server = await servePage(PAGE, fileOf, true);
  const browser = await playwright.chromium.launch({
    executablePath: chromiumPath,
    args: chromiumArguments,
  });
  const close = async () => {
    await browser.close();
    await server.close();
  };
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction('globalThis.measure');
    await page.evaluate((argument) => (globalThis as unknown as PageGlobals).load(argument), task);
    return {
      name: 'wllama, Chromium',
      measure: (round) =>
        page.evaluate((argument) => (globalThis as unknown as PageGlobals).measure(argument), {
          ...task,
          round,
        }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Versions of the peers that are installed. */
export function peerVersions(): Record<string, string> {
  const names = Object.keys(
    (
      JSON.parse(readFileSync(`${peersFolder}package.json`, 'utf8')) as {
        dependencies: Record<string, string>;
      }
    ).dependencies,
  );
  return Object.fromEntries(
    names.flatMap((name) => {
      const path = peerPath(`${name}/package.json`);
      return path
        ? [[name, (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version]]
        : [];
    }),
  );
}
