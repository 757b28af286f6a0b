// Conversations on a device answer as on WebAssembly, under every policy and with rows of every type:
// `node build/js/test/webgpu/conversations.js [LENGTH]`. The last line is the counts.
import { loadModel } from '../../src/engine/model.ts';
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

const tiny = bundled('recollect-tiny.gguf');
const device = await loadModel(tiny, { device: 'webgpu' });
const wasm = await loadModel(tiny, { device: 'wasm', threads: 1 });
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
device.dispose();
wasm.dispose();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
