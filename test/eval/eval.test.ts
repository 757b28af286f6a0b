// Metrics, data sets, the report.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { evaluate } from '../../src/eval/evaluate.ts';
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
  const dialogues = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k').slice(0, 2);
  const result = await evaluate(model, dialogues, { policy: 'full', budget: { tokens: 1 }, options: {} });
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
  assert.is(html.match(/<svg/g)?.length, 3);
});
test.run();
