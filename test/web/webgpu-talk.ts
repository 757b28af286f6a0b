// A conversation on a device, in a page or its worker, and how long it held up whoever ran it. The
// bundle of this file is what the browser gets.
import { loadModel, openConversation } from '../../src/index.ts';

export interface Asked {
  readonly model: string;
  readonly device: 'webgpu' | 'wasm' | 'auto';
  readonly text: string;
  readonly question: string;
}

export interface Told {
  readonly reply: string;
  readonly backend: string;
  readonly reason: string;
  readonly isolated: boolean;
  /** Milliseconds of the longest task meanwhile, where the browser tells (pages). */
  readonly longestTaskMs: number;
}

export async function talk({ model: url, device, text, question }: Asked): Promise<Told> {
  let longestTaskMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestTaskMs = Math.max(longestTaskMs, duration);
  });
  if (PerformanceObserver.supportedEntryTypes.includes('longtask'))
    observer.observe({ type: 'longtask' });
  const model = await loadModel(url, { device, threads: 1 });
  const conversation = openConversation(model, { budget: 200, policy: 'keydiff', blockSize: 64 });
  await conversation.add(text);
  const reply = await conversation.ask(question, { maxTokens: 8 }).text();
  const { name } = model.backend;
  conversation.dispose();
  model.dispose();
  observer.disconnect();
  const isolated = globalThis.crossOriginIsolated;
  return { reply, backend: name, reason: model.backendReason, isolated, longestTaskMs };
}

Object.assign(globalThis, { talk });
if (globalThis.document === undefined)
  globalThis.onmessage = ({ data }: MessageEvent<Asked>) =>
    void talk(data).then(postMessage, (error: Error) =>
      postMessage({ error: String(error.stack) }),
    );
