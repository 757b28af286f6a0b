// The device against the f64 reference: every operation of the contract.
import { backendSuite } from '../suites/backend.ts';
import { openTestDevice } from '../gpu.ts';
import { skip } from '../skip.ts';

const opened = await openTestDevice();
if ('reason' in opened) skip('backend/webgpu.test.js', 'operations on a device', opened.reason);
else {
  const { backend } = opened;
  const rowTypes = ['f32', 'f16', 'int8', 'int4', 'int3'] as const;
  const expected = { name: 'webgpu', build: backend.build, rowTypes, device: true, training: false };
  backendSuite(expected, () => backend);
}
