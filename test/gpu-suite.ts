// The suite of backends on the device of this machine, a software one where there is no other; apart
// from the other tests, as that takes two minutes. `node build/js/test/gpu-suite.js [WORD ...]`: of
// operations with a word in their names, or all; with `--without-subgroups` on the kernels for
// devices that have none, and of the suite what differs.
import { runtime } from '#runtime';
import { openTestDevice } from './gpu.ts';
import { skips } from './skip.ts';
import { backendSuite } from './suites/backend.ts';

/** Operations whose kernels sum up over lanes. */
const SUMMED =
  /^(rmsNorm|linear|gated|append |raiseTo|raiseMost|weighBy|expectedAttention|keyCosines|deltaNet|gatedNorm)/;

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const withoutSubgroups = process.argv.includes('--without-subgroups');
const opened = await openTestDevice(undefined, withoutSubgroups ? ['subgroups'] : []);
if ('reason' in opened) {
  console.error(`there is no device: ${opened.reason}`);
  process.exitCode = 1;
} else {
  const adapter = await (await runtime.gpu())?.requestAdapter();
  const wantsSubgroups = !withoutSubgroups && adapter?.features.has('subgroups') === true;
  // a kernel for subgroups does not compile on a device that was opened without them
  if (opened.device.gpu.features.has('subgroups') !== wantsSubgroups) {
    console.error(`the device ${wantsSubgroups ? 'lacks' : 'has'} subgroups`);
    process.exitCode = 1;
  }
  backendSuite(
    {
      name: 'webgpu',
      build: wantsSubgroups ? 'subgroups' : 'base',
      rowTypes: ['f32', 'f16', 'int8', 'int4', 'int3'],
      device: true,
      training: false,
      only: words.length > 0 ? new RegExp(words.join('|')) : withoutSubgroups ? SUMMED : undefined,
    },
    () => opened.backend,
  );
}
process.on('exit', () => {
  for (const { name, reason } of skips) console.log(`skipped: ${name} (${reason})`);
});
