// What conversations take of a device, beside what they promise: whatever they are, however many.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import { openConversation } from '../../src/session/conversation.ts';
import { openTestDevice } from '../gpu.ts';
import { machineModel } from '../machine.ts';
import { skip } from '../skip.ts';

const test = suite('memory of a device');
const wish = fc.record({
  budget: fc.integer({ min: 1, max: 400 }),
  blockSize: fc.integer({ min: 1, max: 100 }),
  policy: fc.constantFrom('full', 'keydiff', 'snapkv', 'kvzip', 'expected-attention'),
  cacheType: fc.constantFrom('f32', 'f16', 'int8', 'int4'),
  heads: fc.constantFrom('uniform', 'adaptive'),
} as const);

const opened = await openTestDevice();
if ('reason' in opened) skip('engine/device-memory.test.js', 'memory of a device', opened.reason);
else
  test('conversations take no more of it than they promise', async () => {
    const { backend } = opened;
    using model = await loadModel(machineModel(undefined), { device: backend });
    const before = backend.deviceBytes;
    let most = 0;
    fc.assert(
      fc.property(fc.array(wish, { minLength: 1, maxLength: 4 }), (wishes) => {
        const open = wishes.map((options) => {
          const conversation = openConversation(model, options);
          const { device, promisedBytes } = conversation.memory;
          assert.ok(device!.promisedBytes <= promisedBytes);
          return conversation;
        });
        const promised = open.reduce((sum, { memory }) => sum + memory.device!.promisedBytes, 0);
        most = Math.max(most, promised);
        assert.ok(backend.deviceBytes - before <= promised, 'now');
        assert.ok(backend.peakDeviceBytes - before <= most, 'at most');
        for (const conversation of open) conversation.dispose();
        assert.is(backend.deviceBytes, before);
      }),
      {
        numRuns: 30,
        // a first one whose memory grew in steps that had not been promised
        examples: [
          [[{ budget: 74, blockSize: 59, policy: 'full', cacheType: 'f16', heads: 'adaptive' }]],
        ],
      },
    );
  });
test.run();
