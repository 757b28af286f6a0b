// Loads that nothing waits for, by which attention asks for its next lines: a compiler that took them
// for dead code would cost a quarter of its rate, and no number would be wrong.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelBytes } from '../fixtures.ts';

const test = suite('backend, lines fetched ahead');

const [LOAD8_U, DROP] = [0x2d, 0x1a];
/** f16 and f32 rows, one to four queries, keys and values; and tiles of rows of few bits. */
const LEAST = 2 * 4 * 2 + 2;

/** Loads of a byte that is dropped, at an offset of one or two bytes. */
function droppedLoads(code: Uint8Array): number {
  let count = 0;
  for (let i = 0; i + 4 < code.length; i++)
    if (code[i] === LOAD8_U && code[i + 1] === 0)
      if (code[i + (code[i + 2] < 0x80 ? 3 : 4)] === DROP) count++;
  return count;
}

for (const build of ['simd', 'relaxed'])
  test(`${build}: they are there`, () => {
    const count = droppedLoads(kernelBytes(build));
    assert.ok(count >= LEAST, `${count} loads are dropped, expected ${LEAST} at least`);
  });
test.run();
