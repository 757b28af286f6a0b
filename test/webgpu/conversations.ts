// Conversations on a device answer as on WebAssembly, under every policy and with rows of every type:
// `node build/js/test/webgpu/conversations.js [LENGTH]`. The last line is the counts.
import { readFileSync } from 'node:fs';
import { loadModel } from '../../src/engine/model.ts';
import { profileModel } from '../../src/engine/profile.ts';
import type { ConversationOptions } from '../../src/index.ts';
import { policies } from '../../src/policy/registry.ts';
import { bundled } from '../fixtures.ts';
import '../gpu.ts';
import { answerOf } from './answers.ts';

const length = Number(process.argv[2] ?? 500);
const cases: Omit<ConversationOptions, 'budget'>[] = [
  ...policies.filter(({ evicts }) => evicts).map(({ name }) => ({ policy: name })),
  ...(['f32', 'int8', 'int4', 'int3'] as const).map((cacheType) => ({
    policy: 'keydiff' as const,
    cacheType,
  })),
  { policy: 'snapkv', heads: 'adaptive' },
  { policy: 'keydiff', layers: 'pyramid', positions: 'compact' },
  { policy: 'knorm', blockSize: 16 },
];

/** A text for a profile of layers. */
const text = readFileSync(bundled('conv-2k.jsonl'), 'utf8').slice(0, 1200);

const tiny = bundled('recollect-tiny.gguf');
const device = await loadModel(tiny, { device: 'webgpu' });
const wasm = await loadModel(tiny, { device: 'wasm', threads: 1, activations: 'int16' });
let [passed, failed] = [0, 0];
for (const options of cases) {
  const [found, wanted] = [
    await answerOf(device, options, length),
    await answerOf(wasm, options, length),
  ];
  const isSame = found === wanted;
  if (isSame) passed++;
  else failed++;
  const told = isSame ? '' : `: ${JSON.stringify(found)}, WebAssembly ${JSON.stringify(wanted)}`;
  console.log(`${isSame ? 'ok  ' : 'FAIL'} ${JSON.stringify(options)}${told}`);
}
const profiles = await Promise.all([device, wasm].map((model) => profileModel(model, text)));
const off = profiles[0].similarity.map((own, l) => Math.abs(own - profiles[1].similarity[l]));
const isAlike = Math.max(...off) < 1e-3;
if (isAlike) passed++;
else failed++;
console.log(`${isAlike ? 'ok  ' : 'FAIL'} a profile of layers: ${off}`);
device.dispose();
wasm.dispose();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
