// Bytes of a download: what is read, forgotten, and told apart when it comes again.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Received } from '../../../src/model/download/received.ts';

const test = suite('received bytes');

const file = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7919) >>> 3);

/** A file that came in pieces of such sizes. */
function receivedIn(sizes: readonly number[]): Received {
  const received = new Received();
  for (const size of sizes) {
    const { end } = received;
    received.add(file.slice(end, end + size));
  }
  return received;
}

const pieces = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 3 });

test('whatever the pieces, what is read is the file as far as it came', () => {
  fc.assert(
    fc.property(pieces, fc.nat(9999), fc.nat(9999), (sizes, offset, length) => {
      const received = receivedIn(sizes);
      const end = Math.min(offset + length, received.end);
      assert.equal(received.read(offset, length), file.slice(offset, Math.max(offset, end)));
    }),
  );
});

test('what is forgotten is dropped by whole pieces, the rest stays', () => {
  const received = receivedIn([100, 100, 100]);
  received.forget(150);
  assert.is(received.begin, 100);
  assert.equal(received.read(150, 1000), file.slice(150, 300));
  received.add(file.slice(300, 400));
  assert.is(received.begin, 100, 'a piece that is still wanted in part stays');
  received.forget(400);
  assert.is(received.begin, 400);
});

test('bytes that come again are compared with the last 4096, forgotten or not', () => {
  const received = receivedIn([3000, 3000, 3000]);
  received.forget(9000);
  assert.is(received.tailLength, 4096);
  const again = file.slice(4000, 9500);
  assert.is(received.firstChange(again, 4000), undefined, 'the same, and bytes behind the end');
  again[8999 - 4000] ^= 1;
  assert.is(received.firstChange(again, 4000), 8999);
  again[9000 - 4096 - 1 - 4000] ^= 1;
  assert.is(received.firstChange(again, 4000), 8999, 'what lies before the tail is not known');
  again[9000 - 4096 - 4000] ^= 1;
  assert.is(received.firstChange(again, 4000), 9000 - 4096);
});

test.run();
