// How often the device's most probable token is WebAssembly's, teacher-forced:
// `node build/js/test/webgpu/agreement.js POSITIONS [MODEL.gguf ...]`. The last line is the counts.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { loadModel } from '../../src/engine/model.ts';
import { bundled, fixture } from '../fixtures.ts';
import '../gpu.ts';
import { agreeing, tokensFor } from './best-tokens.ts';

/** Share of positions that have to agree. */
const LEAST = 0.995;

const [count = '2000', ...given] = process.argv.slice(2);
const tiny = bundled('recollect-tiny.gguf');
const files = [
  tiny,
  ...readdirSync(fixture('.'))
    .filter((name) => name.endsWith('.gguf'))
    .map(fixture),
];
const text = readFileSync(bundled('conv-2k.jsonl'), 'utf8');
let [passed, failed] = [0, 0];
for (const file of given.length > 0 ? given : files) {
  const device = await loadModel(file, { device: 'webgpu' });
  const wasm = await loadModel(file, {
    device: 'wasm',
    threads: 1,
    pipeline: 1,
    // a device computes on f32
    activations: 'int16',
  });
  const most = Math.min(Number(count), wasm.config.contextLength);
  // a longer text than the context is several
  let [same, of] = [0, 0];
  while (of < Number(count)) {
    const tokens = tokensFor(wasm, of + most, file === tiny ? text : undefined).slice(of);
    const found = await agreeing(device, wasm, tokens);
    same += found.same;
    of += found.of;
  }
  device.dispose();
  wasm.dispose();
  const isGood = same / of >= LEAST;
  if (isGood) passed++;
  else failed++;
  console.log(
    `${isGood ? 'ok  ' : 'FAIL'} ${basename(file)}: ${same} of ${of} positions (${(same / of).toFixed(4)})`,
  );
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
