// Reports as people see them: in a browser, on a desk's screen and on a phone's.
import { type Browser, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { figure, lineChart, type Series, standalone } from '../../src/eval/chart.ts';
import type { EvalResult } from '../../src/eval/results.ts';
import { textWidth, wrapText } from '../../src/eval/letters.ts';
import { lineStyle, page } from '../../src/eval/page.ts';
import { renderFigures, renderReport, type ReportData } from '../../src/eval/report.ts';
import { compare } from '../../src/eval/sweep.ts';
import { renderSweep } from '../../src/eval/sweep-report.ts';
import { policies } from '../../src/policy/registry.ts';
import { chromiumArguments, chromiumPath } from '../browser.ts';
import { skip } from '../skip.ts';

const next = [
  {
    what: 'Measure it on conversations of your own.',
    command: `recollect eval ${'models/a-long-path/'.repeat(9)}m.gguf`,
  },
  { what: 'Read on in docs/policies.md.' },
];

/** A result of a policy at a budget, with answers that are wrong now and then. */
function resultOf(policy: string, budget: number, extra: Partial<EvalResult> = {}): EvalResult {
  const wrong = policy === 'full' ? 0 : (policy.length * 7 + budget) % 23;
  const answers = Array.from({ length: 40 }, (_, i) => ({
    conversation: 'one',
    question: `What is the name of the dog of the neighbour of ${'A'.repeat(i % 60)}?`,
    expected: 'Rex',
    answer: i < wrong ? '' : 'Rex',
    correct: i >= wrong,
    f1: i < wrong ? 0 : 1,
    topic: `topic ${i % 9}`,
    distance: i / 40,
    firstTokenMs: 3,
    episode: policy.startsWith('epicache') ? 1 : undefined,
    recalledTokens: 0,
    ...(policy !== 'full' && {
      evidence: {
        tokens: 9,
        kept: Array.from({ length: 4 }, (__, l) => [0.125 * l, 1]),
        lost: Array.from({ length: 4 }, () => [512, -1]),
      },
    }),
  }));
  const accuracy = 1 - wrong / 40;
  const shares = { questions: 10, accuracy };
  return {
    policy,
    budget,
    block: 256,
    heads: 'uniform',
    layers: 'uniform',
    cacheType: 'f16',
    recall: 0,
    questions: 40,
    accuracy,
    interval: { mean: accuracy, low: accuracy / 2, high: Math.min(1, accuracy * 1.5) },
    f1: accuracy,
    tokens: 2120,
    peakCacheBytes: 1000 * budget + policy.length * 977,
    promisedBytes: 4_000_000,
    peakBytes: 3_000_000,
    prefillMs: 512,
    prefillTokensPerSecond: 4140.6,
    decodeTokensPerSecond: 960.9,
    firstTokenMs: 3.4,
    byTopic: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`a long topic ${i}`, shares])),
    byDistance: { 0: shares, 1: shares, 2: shares, 3: shares },
    answers,
    ...extra,
  };
}

/** Every policy there is, all of them close together: as crowded as it gets. */
function startReport(names: readonly string[], tokens: number): ReportData {
  const results = names.map((name) => resultOf(name, 267));
  return {
    title: 'A long conversation in a fixed amount of memory',
    model: 'recollect-tiny (4 layers, simd kernels)',
    machine: 'a processor with a name that goes on and on @ 2.40 GHz, Node v20.20.2',
    command: 'npm start',
    results,
    budgetText: '1/8',
    sweep: names.map((policy, i) => ({
      policy,
      points: [1 / 16, 1 / 8, 1 / 4].map((share): [number, number] => [
        share,
        Math.min(1, 0.9 + i / 200),
      ]),
    })),
    sweepQuestions: 40,
    traces: names.map((policy, i) => ({
      policy,
      points: [
        [256, 1e5],
        [tokens, 7e5 + i],
      ],
      promisedCacheBytes: 1e6 + i,
      kept: Array.from({ length: 8 }, (_, l) =>
        Int32Array.from({ length: 200 }, (__, t) => (t * (l + 3)) % tokens),
      ),
    })),
    traceTokens: tokens,
    next,
  };
}

function sweepReport(results: readonly EvalResult[]): string {
  const about = { model: 'models/recollect-tiny.gguf', data: 'models/conv-2k.jsonl', machine: 'x' };
  const command = `recollect eval ${'--policy all '.repeat(30)}--html /a/very/${'long'.repeat(40)}.html`;
  return renderSweep({ ...about, command, results, comparisons: compare(results), next });
}

const allNames = policies.map((p) => p.name);
const sizes = { cacheType: 'kivi-mixed3.5', recall: 32, heads: 'adaptive', layers: 'sensitivity' };
const crowd = allNames.flatMap((name) => [
  resultOf(name, 267),
  resultOf(name, 178),
  ...(name === 'full' ? [] : [resultOf(name, 267, sizes), resultOf(name, 90, sizes)]),
]);
const single = { label: 'x', ticks: [[1, 'one']] } as const;
const odd = (series: readonly Series[]) =>
  page(
    'Odd',
    figure((width) =>
      lineChart(
        'odd',
        single,
        { ...single, label: 'a label that is longer than a phone is wide, and longer than that' },
        series,
        { width, markers: true },
      ),
    ),
  );
const pages: readonly [name: string, html: string][] = [
  [
    'npm start',
    renderReport(
      startReport(
        ['full', 'streaming-llm', 'snapkv', 'kvzip', 'keydiff', 'expected-attention', 'epicache'],
        2120,
      ),
    ),
  ],
  ['npm start, every policy', renderReport(startReport(allNames, 1_234_567))],
  ['eval, two results', sweepReport([resultOf('full', 2120), resultOf('keydiff', 267)])],
  ['eval, one result', sweepReport([resultOf('keydiff', 267)])],
  ['eval, full alone', sweepReport([resultOf('full', 2120)])],
  ['eval, everything', sweepReport(crowd)],
  ['no series', odd([])],
  [
    'long names',
    odd(
      Array.from({ length: 25 }, (_, i) => ({
        name: `WMW@ ${'漢字'.repeat(i)} ${'m'.repeat(i * 4)}`,
        ...lineStyle(i),
        points: [[1, 1]],
      })),
    ),
  ],
];

const test = suite('reports');

test('lines that share a colour differ in their gaps', () => {
  const styles = Array.from({ length: 44 }, (_, i) => JSON.stringify(lineStyle(i)));
  assert.is(new Set(styles).size, 44);
});
test('texts are cut between words, within one only where there is no other way, and nothing is lost', () => {
  const text = 'a few words and averylongwordthatcannotbelongerthanaline';
  const lines = wrapText(text, 100, 12);
  assert.ok(lines.length > 2 && lines.every((line) => textWidth(line, 12) <= 100), lines.join('|'));
  assert.is(lines.join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
  assert.equal(wrapText('', 100, 12), ['']);
});
test('a plot says in words what it shows, and what to do next is on the page', () => {
  const html = pages[0][1];
  assert.match(
    html,
    /<desc id="accuracy-over-budget-720-about">questions answered right over budget[^<]*keydiff: \d+\.\d% at 1&#47;|keydiff: \d+\.\d% at 1\/16/,
  );
  assert.match(html, 'What to do next');
  assert.match(html, /answered \d+\.\d% of the questions from 1\/8 of the cache rows/);
  for (const [name, page] of pages)
    assert.not.match(page, /https?:\/\/|NaN|undefined|Infinity/, name);
  for (const svg of Object.values(renderFigures(startReport(['full', 'keydiff'], 2120))))
    assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" .*<style>/);
});

interface Seen {
  readonly wider: number;
  readonly faults: readonly string[];
  readonly texts: number;
  readonly smallest: number;
}

/** What is wrong with the texts of the plots that are shown. Runs in the page. */
function look(): Seen {
  const faults: string[] = [];
  let texts = 0;
  let smallest = Infinity;
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    const title = svg.getAttribute('aria-label') ?? svg.querySelector('title')?.textContent ?? '';
    if (title === '') faults.push('a plot without a name');
    const boxes = [...svg.querySelectorAll('text')].map((text) => ({
      name: `'${text.textContent}' of ${title}`,
      box: text.getBoundingClientRect(),
    }));
    texts += boxes.length;
    for (const [i, { name, box }] of boxes.entries()) {
      smallest = Math.min(smallest, box.height);
      if (
        box.left < frame.left - 0.5 ||
        box.right > frame.right + 0.5 ||
        box.top < frame.top - 0.5 ||
        box.bottom > frame.bottom + 0.5
      )
        faults.push(`${name} is cut`);
      for (const other of boxes.slice(i + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        // a line's box is a little higher than its letters
        if (across > 0 && down > 1) faults.push(`${name} lies over ${other.name}`);
      }
    }
  }
  const { scrollWidth } = document.documentElement;
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  if (new Set(ids).size < ids.length) faults.push('an id is there twice');
  return { wider: scrollWidth - innerWidth, faults, texts, smallest };
}

if (chromiumPath === undefined)
  skip('eval/report.test.js', 'reports in a browser', 'no Chromium is installed');
else {
  let browser: Browser;
  test.before(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArguments });
  });
  test.after(() => browser.close());

  const shown = async <T>(
    html: string,
    width: number,
    see: (page: Page) => Promise<T>,
  ): Promise<T> => {
    const tab = await browser.newPage({ viewport: { width, height: 800 } });
    try {
      await tab.setContent(html);
      return await see(tab);
    } finally {
      await tab.close();
    }
  };

  for (const [name, html] of pages)
    test(`${name}: no text is cut or lies over another, nothing is wider than the screen`, async () => {
      await shown(html, 1280, async (tab) => {
        for (const width of [1280, 641, 640, 390, 320]) {
          await tab.setViewportSize({ width, height: 800 });
          const seen = await tab.evaluate(look);
          assert.equal(seen.faults.slice(0, 5), [], `${width} px`);
          assert.ok(seen.wider <= 0, `${width} px: ${seen.wider} px stand out`);
          assert.ok(
            seen.texts === 0 || seen.smallest >= 10,
            `${width} px: letters of ${seen.smallest} px`,
          );
        }
      });
    });

  test('in another font too', async () => {
    for (const font of ['serif', 'monospace'])
      for (const width of [1280, 390]) {
        const html = pages[1][1].replaceAll('system-ui, sans-serif', font);
        const { faults } = await shown(html, width, (tab) => tab.evaluate(look));
        assert.equal(faults.slice(0, 5), [], `${font}, ${width} px`);
      }
  });

  test('a figure as a file of its own', async () => {
    const svg = renderFigures(startReport(allNames, 2120)).memory;
    assert.is(
      svg,
      standalone(
        svg
          .replace(/ xmlns="[^"]*"/, '')
          .replace(/<style>.*<rect[^>]*>/, '')
          .trim(),
      ),
    );
    const { faults, texts } = await shown(svg, 900, (tab) => tab.evaluate(look));
    assert.ok(texts > 10);
    assert.equal(faults, []);
  });

  test('on dark pages letters are light', async () => {
    const tab = await browser.newPage({ colorScheme: 'dark' });
    await tab.setContent(pages[0][1]);
    const fill = await tab.evaluate(
      () => getComputedStyle(document.querySelector('.wide .name')!).fill,
    );
    await tab.close();
    assert.is(fill, 'rgb(230, 233, 237)');
  });
}
test.run();
