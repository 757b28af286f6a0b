// The engine's rates on one file, in whatever runtime this is; as a program, as JSON.
//
//   node build/js/bench/rate.js FILE THREADS PROMPT REPLY
import { loadModel } from '../src/engine/model.ts';
import { ownEngine } from './own-engine.ts';
import { bestOf, type EngineRate, type EngineTask } from './task.ts';

/** A round for what compiles and starts, and two that count. */
const ROUNDS = 3;

export async function rateOf(task: EngineTask): Promise<EngineRate> {
  const model = await loadModel(task.path, { threads: task.threads, device: 'wasm' });
  const engine = ownEngine(model, task);
  const rates: EngineRate[] = [];
  for (let round = 0; round < ROUNDS; round++) rates.push(await engine.measure(round));
  model.dispose();
  return bestOf(rates.slice(1));
}

// (a page asks for rateOf)
if ('process' in globalThis) {
  const [path, ...numbers] = process.argv.slice(2);
  const [threads, prompt, reply] = numbers.map(Number);
  console.log(JSON.stringify(await rateOf({ path, threads, prompt, reply })));
}
