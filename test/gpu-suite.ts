// The suite of backends on the device of this machine, a software one where there is no other; apart
// from the other tests, as that takes two minutes. `node build/js/test/gpu-suite.js`
import { openTestDevice } from './gpu.ts';
import { skips } from './skip.ts';
import { backendSuite } from './suites/backend.ts';

const opened = await openTestDevice();
if ('reason' in opened) {
  console.error(`there is no device: ${opened.reason}`);
  process.exitCode = 1;
} else {
  const { abilities } = opened.device;
  backendSuite(
    {
      name: 'webgpu',
      build: abilities.subgroups ? 'subgroups' : 'base',
      rowTypes: ['f32', 'f16', 'int8', 'int4', 'int3'],
      device: true,
      training: false,
    },
    () => opened.backend,
  );
}
process.on('exit', () => {
  for (const { name, reason } of skips) console.log(`skipped: ${name} (${reason})`);
});
