// A split training as a page: what it says of bytes and bits, and its picture at any size.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withoutToken } from '../../src/cli/commands/train.ts';
import { bitsGrid } from '../../src/eval/heat-map.ts';
import { splitPage } from '../../src/eval/split-page.ts';
import { CourseKeeper, trafficOf } from '../../src/split/report.ts';

const test = suite('eval/split-page');

const life = { lifeBytes: 0, reconnects: 2 };

/** Bits of `channels` channels after `steps` steps: the first ones keep theirs. */
function courseOf(steps: number, channels: number, crossings: number) {
  const keeper = new CourseKeeper();
  for (let step = 1; step <= steps; step++) {
    const bits = Uint8Array.from({ length: channels }, (_, c) => Math.max(1, 8 - (c % 3) * step));
    const traffic = { sentBytes: 100 * step, receivedBytes: 50 * step, ...life };
    keeper.add(step, traffic, Array(crossings).fill(bits));
  }
  return keeper.course;
}

const pageOf = (steps: number, channels: number, crossings = 1) =>
  splitPage({
    ...{ model: '<m>.gguf', data: 'd.jsonl', command: 'recollect', machine: 'a machine' },
    ...{ codec: 'amaq at 4 bits', isByToken: false, lines: 3, seconds: 1 },
    result: {
      steps,
      losses: Array.from({ length: steps }, (_, i) => 2 / (i + 1)),
      course: courseOf(steps, channels, crossings),
      traffic: trafficOf(
        { sentBytes: 6000, receivedBytes: 4000, ...life },
        { payload: 8000, ranges: 500, maps: 100, headers: 400, asF32: 64_000 },
      ),
    },
  });

test('f32 has no picture of bits', () => {
  assert.match(pageOf(3, 4), /<figcaption>channels/);
  const page = pageOf(3, 4, 0);
  assert.match(page, /All numbers are f32/);
  assert.not.match(page, /<figcaption>channels/);
});

test('steps are thinned out, the last one stays, bytes are all there', () => {
  for (const steps of [1, 256, 257, 2000]) {
    const { bits, bytes, meanBits } = courseOf(steps, 6, 1);
    assert.ok(bits.length <= 258, `${bits.length} of ${steps}`);
    assert.ok(bits.length >= Math.min(steps, 128));
    assert.is(bits.at(-1)!.step, steps);
    assert.equal(
      bits.map(({ step }) => step),
      [...new Set(bits.map(({ step }) => step))].sort((a, b) => a - b),
    );
    assert.is(bytes.length, steps);
    assert.is(bytes.at(-1), 150 * steps);
    assert.is(meanBits.length, steps);
  }
});

test('a row a channel, most bits first, and no more rows than can be seen', () => {
  const { bits } = courseOf(3, 6, 1);
  // channels 0 and 3 keep 8 bits, 1 and 4 lose one a step, 2 and 5 two
  assert.equal(bitsGrid(bits, 0), [
    [8, 8, 8],
    [8, 8, 8],
    [7, 6, 5],
    [7, 6, 5],
    [6, 4, 2],
    [6, 4, 2],
  ]);
  const grid = bitsGrid(courseOf(300, 1000, 1).bits, 0);
  assert.is(grid.length, 96);
  assert.ok(grid[0].length <= 240);
  assert.is(grid.at(-1)!.at(-1), 1);
});

test('bytes are told by what they were for, names are escaped', () => {
  const html = pageOf(5, 12, 2);
  assert.match(html, /numbers<\/th><td>7\.9 KB<\/td><td>80\.0%/);
  assert.match(html, /all else[^<]*<\/th><td>1000 B<\/td><td>10\.0%/);
  assert.match(html, /saved<\/th><td>53\.8 KB/);
  assert.match(html, /&#60;m&#62;\.gguf/);
  assert.is(html.match(/class="plate"/g)!.length, 2, 'a picture a crossing');
  assert.match(html, /bits of 12 channels over steps 1 to 5: 7\.00 on average, then 4\.00/);
});

test('a token of the command line is not told', () => {
  assert.equal(withoutToken(['split-train', '--token', 's3cret', '--token=s3cret', '--cut', '1']), [
    ...['split-train', '--token', 'TOKEN', '--token=TOKEN', '--cut', '1'],
  ]);
});

test('any number of steps and channels is drawn', () => {
  for (const [steps, channels] of [
    [1, 1],
    [1, 5000],
    [2000, 3],
  ])
    assert.not.match(pageOf(steps, channels), /NaN|undefined|Infinity/);
});

test.run();
