// A real device that is destroyed in the middle of things: the conversation goes on with
// WebAssembly from there.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import { openConversation } from '../../src/session/conversation.ts';
import { openTestDevice } from '../gpu.ts';
import { machineModel } from '../machine.ts';
import { skip } from '../skip.ts';

const test = suite('a destroyed device');
const file = machineModel(undefined);
const text = 'Mia has a dog, Rex. He ate 42 blue words.\nRavi went there.\n'.repeat(3);

const first = await openTestDevice();
if ('reason' in first) skip('engine/lost-device.test.js', 'a destroyed device', first.reason);
else {
  first.backend.dispose();
  test('one conversation is reading, another replying', async () => {
    const warn = console.warn;
    console.warn = () => {};
    const opened = await openTestDevice();
    assert.ok('backend' in opened);
    const { device, backend } = opened;
    const options = { budget: 40, policy: 'keydiff', blockSize: 24 } as const;
    const asked = { maxTokens: 12, template: false, temperature: 1, seed: 5 };
    try {
      using model = await loadModel(file, { device: backend });
      const before = backend.deviceBytes;
      using replying = openConversation(model, options);
      using reading = openConversation(model, options);
      await replying.add(text);
      const promised = [replying, reading].map(({ memory }) => memory.device!.promisedBytes);
      const taken = backend.peakDeviceBytes - before;
      assert.ok(taken <= promised[0] + promised[1], `${taken} of ${promised}`);
      let added: Promise<void> | undefined;
      let reply = '';
      for await (const piece of replying.ask('Who is Rex?', asked)) {
        reply += piece;
        if (added) continue;
        let blocks = 0;
        added = reading.add(text, { onProgress: () => ++blocks === 3 && device.gpu.destroy() });
      }
      await added;
      using plain = await loadModel(file, { device: 'wasm' });
      using other = openConversation(plain, options);
      await other.add(text);
      const expected = await other.ask('Who is Rex?', asked).text();
      assert.is(await reading.ask('Who is Rex?', asked).text(), expected);
      assert.ok(reply.length > 0);
      for (const { statistics, memory } of [reading, replying]) {
        assert.is(statistics.backend, 'wasm');
        assert.match(statistics.backendReason, /the GPU is gone/);
        assert.ok(memory.peakBytes <= memory.promisedBytes);
      }
    } finally {
      console.warn = warn;
    }
  });
}
test.run();
