// What is known of the lengths of heads without asking the device.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RangeBounds } from '../../src/backend/webgpu/bounds.ts';

const test = suite('bounds of a range of a device');

test('rows that went, nobody knows how many, take no room of others', () => {
  const bounds = new RangeBounds({ rows: 40, heads: 2 }, 2);
  bounds.grow(0, 20);
  assert.is(bounds.total, 40);
  bounds.lose();
  assert.equal(bounds.of(0), { most: 20, fewest: 0, total: 40 });
  bounds.grow(0, 6);
  assert.is(bounds.total, 40, 'no more than there is room for');
  assert.is(bounds.of().total, 40);
  bounds.grow(0, -6);
  assert.is(bounds.total, 28);
  bounds.set([3, 4]);
  assert.equal(bounds.of(0), { most: 4, fewest: 7, total: 7 });
});

test.run();
