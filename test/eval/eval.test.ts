// Metrics, data sets, the report.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { bootstrapDifference, bootstrapMean } from '../../src/eval/bootstrap.ts';
import { evaluate } from '../../src/eval/evaluate.ts';
import { EvidenceTrace } from '../../src/eval/explain.ts';
import { exactMatch, tokenF1 } from '../../src/eval/metrics.ts';
import { renderReport } from '../../src/eval/report.ts';
import { bundled, tinyModel } from '../fixtures.ts';

const test = suite('evaluation');
test('exact match trims and nothing else; F1 counts shared words', () => {
  assert.ok(exactMatch(' Rex\n', 'Rex') && !exactMatch('rex', 'Rex'));
  assert.is(tokenF1('the red car', 'red car'), 1);
  assert.is(tokenF1('red car', 'red bus'), 0.5);
  assert.is(tokenF1('', 'x'), 0);
  assert.is(tokenF1('a a b', 'a b b').toFixed(3), '0.667'); // articles do not count
});
test('intervals: of a known spread, paired differences narrower than their parts, the same seed the same', () => {
  // 400 tosses of which 300 are right: the standard error is sqrt(0.75 * 0.25 / 400) = 0.0217
  const right = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 0 : 1));
  const one = bootstrapMean(right);
  assert.is(one.mean, 0.75);
  assert.ok(
    Math.abs(one.low - (0.75 - 1.96 * 0.0217)) < 0.008 &&
      Math.abs(one.high - (0.75 + 1.96 * 0.0217)) < 0.008,
    JSON.stringify(one),
  );
  assert.equal(bootstrapMean(right), one);
  // wrong where the first was right, ten times
  const other = right.map((r, i) => (i % 40 === 1 ? 0 : r));
  const difference = bootstrapDifference(right, other);
  assert.is(difference.mean, 0.025);
  assert.ok(
    difference.low > 0 && difference.high - difference.low < (one.high - one.low) / 2,
    JSON.stringify(difference),
  );
  assert.equal(bootstrapDifference(right, right), { mean: 0, low: 0, high: 0 });
  assert.throws(() => bootstrapDifference(right, [1]), /cannot be paired/);
});
test('evidence is followed through the blocks: what each head holds of it, and when most of it was gone', () => {
  const trace = new EvidenceTrace([[[4, 8]], [[20, 22]], []]);
  const block = (seen: number, episode: number, ...heads: number[][]) => {
    trace.onKept(
      0,
      heads.map((h) => Int32Array.from(h)),
    );
    trace.onBlock(seen, episode);
  };
  block(10, 0, [0, 4, 5, 6, 7], [4, 5]);
  block(20, 0, [0, 4, 5], [1, 9]);
  block(30, 0, [4, 5, 20, 21], [21]);
  assert.equal(trace.explain(0, 0), { tokens: 4, kept: [[0.5, 0]], lost: [[-1, 20]] });
  assert.equal(trace.explain(1, 0), { tokens: 2, kept: [[1, 0.5]], lost: [[-1, -1]] });
  assert.is(trace.explain(2, 0), undefined);
  assert.is(trace.explain(0, 1), undefined, 'another cache knows nothing of it');
  block(10, 0, [4, 5, 6, 7], [0]); // the cache is made again
  assert.equal(trace.explain(0, 0), { tokens: 4, kept: [[1, 0]], lost: [[-1, 10]] });
});
test('evidence in layers that are cut apart: a window goes on while others wait', () => {
  const trace = new EvidenceTrace([[[4, 8]]]);
  const told = (layer: number, ...tokens: number[]) =>
    trace.onKept(layer, [Int32Array.from(tokens)]);
  told(0, 5, 6, 7);
  trace.onBlock(8, 0);
  told(0, 14, 15);
  told(2, 0, 4, 5, 15);
  trace.onBlock(16, 0);
  told(0, 22, 23);
  trace.onBlock(24, 0);
  assert.equal(trace.explain(0, 0), {
    tokens: 4,
    kept: [[0], [], [0.5]],
    lost: [[16], [], [-1]],
  });
});
test('bundled conversations are read whole', () => {
  for (const [file, conversations, questions] of [
    ['conv-2k', 8, 320],
    ['conv-4k', 4, 240],
    ['conv-16k', 2, 160],
  ] as const) {
    const all = readDialogues(readFileSync(bundled(`${file}.jsonl`), 'utf8'), file);
    assert.is(all.length, conversations);
    assert.is(
      all.reduce((n, d) => n + d.questions.length, 0),
      questions,
    );
    assert.ok(all.every((d) => d.questions.every((q) => q.evidence.length > 0)));
  }
});
test('lines that are wrong are named', () => {
  const good = '{"turns": [{"line": "x"}], "questions": [{"question": "a", "answer": 5}]}';
  assert.is(readDialogues(`\n${good}\n`, 'f')[0].questions[0].answer, '5');
  const bad: [string, RegExp][] = [
    ['', /holds no conversation/],
    [`${good}\nnull`, /line 2: expected an object/],
    ['{"turns": []}', /line 1: the conversation is empty/],
    ['{"turns": [{"text": "x"}]}', /turn 0 has no 'line'/],
    ['{"turns": [{"line": "x"}]}', /expected 'questions'/],
    ['{"turns": [{"line": "x"}], "questions": [{"question": "a"}]}', /question 0 needs/],
  ];
  for (const [text, pattern] of bad)
    assert.throws(
      () => readDialogues(text, 'f'),
      (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
      text,
    );
});
test('full answers at least 97% of two bundled conversations; the report shows what was measured and nothing from elsewhere', async () => {
  const model = await tinyModel();
  const dialogues = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k').slice(
    0,
    2,
  );
  const result = await evaluate(model, dialogues, {
    policy: 'full',
    budget: { tokens: 1 },
    options: {},
  });
  assert.ok(result.accuracy >= 0.97, String(result.accuracy));
  const html = renderReport({
    title: 'A <title>',
    model: 'm',
    machine: 'x',
    command: 'npm start',
    results: [result],
    budgetText: '1/8',
    sweep: [
      {
        policy: 'full',
        points: [
          [0.125, 1],
          [0.25, 1],
        ],
      },
    ],
    sweepQuestions: 40,
    traces: [
      {
        policy: 'full',
        points: [
          [256, 1000],
          [512, 2000],
        ],
        promisedCacheBytes: 4000,
        kept: [Int32Array.of(0, 1, 400)],
      },
    ],
    traceTokens: 512,
  });
  assert.match(html, /A &#60;title&#62;/);
  assert.match(html, `${(100 * result.accuracy).toFixed(1)}%`);
  assert.not.match(html, /https?:\/\/|NaN|undefined/);
  // two plots, each for a desk and a phone, and a strip
  assert.is(html.match(/<svg/g)?.length, 2 * 2 + 1);
});
test.run();
