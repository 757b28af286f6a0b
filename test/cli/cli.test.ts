// The command line as a user runs it: other processes, real files, exit codes.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fileURLToPath } from 'node:url';
import { help as chatHelp } from '../../src/cli/chat/commands.ts';
import { commands } from '../../src/cli/registry.ts';
import { startedAs } from '../../src/cli/words.ts';
import { resultTable } from '../../src/eval/table.ts';
import type { EvalResult } from '../../src/eval/results.ts';
import { skip } from '../skip.ts';
import { bundled, fixture, readJson } from '../fixtures.ts';
import { type Ended, main, noTerminal, run, start } from './program.ts';

const test = suite('command line', { folder: '' });
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'recollect-'));
});
test.after((context) => rmSync(context.folder, { recursive: true }));

/**
 * Runs a command and interrupts it as soon as something is so: whatever the machine's speed, it is
 * then under way.
 */
async function interrupted(
  args: string[],
  when: () => boolean,
  signal: NodeJS.Signals = 'SIGINT',
): Promise<Ended> {
  const program = start([main, ...args]);
  program.child.stdin!.end();
  const watch = setInterval(() => {
    if (!when()) return;
    clearInterval(watch);
    program.signal(signal);
  }, 20);
  const ended = await program.ended;
  clearInterval(watch);
  return ended;
}

/** The words that evaluate the bundled model on bundled data, with options apart by blanks. */
const evalTiny = (data: string, options: string): string[] => [
  'eval',
  bundled('recollect-tiny.gguf'),
  '--data',
  bundled(data),
  ...options.split(' '),
];

/** One conversation, under one policy. */
const evalOne = (model: string, policy: string, budget: string) => [
  ...['eval', model, '--data', bundled('conv-2k.jsonl'), '--limit', '1'],
  ...['--policy', policy, '--budget', budget],
];

test('logits prints the format of the fixtures', async () => {
  const expected = readJson<{ text: string; tokens: number[]; top: [number, number][][] }>(
    fixture('qwen3-f32.json'),
  );
  const { code, out, err } = await run([
    'logits',
    fixture('qwen3-f32.gguf'),
    '--text',
    expected.text,
    '--top',
    '5',
  ]);
  assert.is(code, 0, err);
  assert.is(err, '');
  const found = JSON.parse(out);
  assert.equal(Object.keys(found), Object.keys(expected));
  assert.equal([found.text, found.tokens], [expected.text, expected.tokens]);
  found.top.forEach((step: [number, number][], i: number) => {
    assert.is(step.length, 5);
    assert.ok(Math.abs(step[0][1] - expected.top[i][0][1]) < 0.01);
  });
});

test('a sweep measures every combination, shared by processes or not, and goes on where it was interrupted', async ({
  folder,
}) => {
  const args = evalTiny('conv-2k.jsonl', '--limit 2 --policy full,streaming-llm,keydiff');
  const sweep = [...args, '--budget', '1/8,128', '--cache-type', 'f16,int4', '--recall', '0,32'];
  const answersOf = (file: string) =>
    JSON.parse(readFileSync(join(folder, file), 'utf8')).results.map(
      (r: { policy: string; answers: { answer: string }[] }) => [
        r.policy,
        r.answers.map((a) => a.answer),
      ],
    );
  const whole = await run([
    ...sweep,
    '--json',
    join(folder, 'whole.json'),
    '--html',
    join(folder, 'whole.html'),
    '--processes',
    '2',
  ]);
  assert.is(whole.code, 0, whole.err);
  const report = JSON.parse(readFileSync(join(folder, 'whole.json'), 'utf8'));
  assert.is(report.results.length, 2 + 2 * 2 * 2 * 2);
  for (const r of report.results) {
    assert.ok(
      r.interval.low <= r.accuracy && r.accuracy <= r.interval.high && r.questions === 80,
      r.policy,
    );
    assert.is(
      Object.values(r.byTopic as Record<string, { questions: number }>).reduce(
        (n, t) => n + t.questions,
        0,
      ),
      80,
    );
    assert.ok(
      r.policy === 'full' ||
        r.answers.every((a: { evidence: { kept: number[][] } }) => a.evidence.kept.length === 4),
    );
  }
  assert.ok(report.comparisons.length > 0);
  const html = readFileSync(join(folder, 'whole.html'), 'utf8');
  assert.ok(
    html.includes('Accuracy over bytes') &&
      html.includes('Where questions were lost') &&
      !/https?:\/\//.test(html.replaceAll('http://www.w3.org', '')),
  );

  const out = join(folder, 'part.json');
  const begun = () =>
    existsSync(`${out}.partial`) && readFileSync(`${out}.partial`, 'utf8').includes('\n');
  const cut = await interrupted([...sweep, '--json', out], begun);
  assert.is(cut.code, 130, cut.err);
  assert.not(existsSync(out));
  const kept = readFileSync(`${out}.partial`, 'utf8').trim().split('\n').length;
  assert.ok(kept > 0 && kept < 36, String(kept));
  // as a full disk leaves it
  writeFileSync(`${out}.partial`, `${readFileSync(`${out}.partial`, 'utf8')}{"sweep": "cut o`);
  const rest = await run([...sweep, '--json', out]);
  assert.is(rest.code, 0, rest.err);
  assert.match(rest.err, new RegExp(`going on with ${kept} of 36`));
  assert.not(existsSync(`${out}.partial`));
  assert.equal(answersOf('part.json'), answersOf('whole.json'));
});

test('episodes prints topics and measures, one object for one conversation', async () => {
  const args = ['episodes', '--data', bundled('conv-2k.jsonl'), '--limit', '1'];
  const json = await run([...args, '--json', '--seed', '3']);
  assert.is(json.code, 0, json.err);
  const report = JSON.parse(json.out);
  for (const key of ['segments', 'sizes', 'match', 'match2', 'recall', 'chance', 'questions'])
    assert.ok(key in report, key);
  assert.equal(
    [
      report.sizes.length,
      report.sizes.reduce((a: number, b: number) => a + b, 0),
      report.questions,
    ],
    [4, report.segments, 40],
  );
  assert.ok(
    report.match > 2 * report.chance &&
      report.match2 >= report.match &&
      report.recall['16'] >= report.recall['4'],
  );
  assert.is((await run([...args, '--json', '--seed', '3'])).out, json.out);
  const embedded = await run([
    ...args,
    '--embedder',
    'model',
    '--model',
    bundled('recollect-tiny.gguf'),
    '--json',
  ]);
  assert.ok(JSON.parse(embedded.out).match > 0);
  const table = await run(args);
  assert.match(table.out, /episode 4 +\d+ segments {2}\w+, \w+/);
  assert.is(
    (await run(['episodes', '--data', bundled('conv-2k.jsonl'), '--embedder', 'model'])).code,
    2,
  );
});

test('eval prints a table and writes every result', async ({ folder }) => {
  const json = join(folder, 'new', 'out.json');
  const args = [
    ...evalTiny(
      'conv-2k.jsonl',
      '--limit 1 --policy full,keydiff --policy streaming-llm --budget 1/8 --block 256',
    ),
    '--json',
    json,
  ];
  const { code, out, err } = await run(args);
  assert.is(code, 0, err);
  const report = readJson<{
    model: string;
    data: string;
    results: Record<string, number | string>[];
  }>(json);
  assert.equal(
    report.results.map((r) => r.policy),
    ['full', 'keydiff', 'streaming-llm'],
  );
  for (const r of report.results) {
    for (const key of [
      'policy',
      'budget',
      'block',
      'heads',
      'layers',
      'questions',
      'accuracy',
      'f1',
      'peakCacheBytes',
      'promisedBytes',
      'prefillMs',
      'decodeTokensPerSecond',
    ])
      assert.ok(key in r, key);
    assert.is(r.questions, 40);
    assert.ok(Number(r.peakCacheBytes) < Number(r.promisedBytes));
    assert.match(out, new RegExp(`^${r.policy} .*${(100 * Number(r.accuracy)).toFixed(1)}%`, 'm'));
  }
  const [full, keydiff, recent] = report.results.map((r) => Number(r.accuracy));
  assert.ok(full >= 0.95 && keydiff > recent && full > keydiff, `${full} ${keydiff} ${recent}`);
  assert.is(report.results[1].budget, 265);
  assert.not.ok(out.includes('\u001b'), 'plain when piped');
});

test('eval with sensitivity and adaptive heads, tokens as budget', async ({ folder }) => {
  const model = join(folder, 'm.gguf');
  writeFileSync(model, readFileSync(bundled('recollect-tiny.gguf')));
  const { code, out, err } = await run([
    ...evalOne(model, 'keydiff', '200'),
    '--layers',
    'sensitivity',
    '--heads',
    'adaptive',
  ]);
  assert.is(code, 0, err);
  assert.match(out, /^keydiff +200 /m);
  assert.match(err, /m\.gguf\.profile\.json/);
});

test('chat goes on past its budget, reading lines from a pipe', async ({ folder }) => {
  const context = join(folder, 'context.txt');
  writeFileSync(
    context,
    "Ravi: The name of Ana's dog is Rex.\nRavi: As I said, Ana's dog is called Rex.\n",
  );
  const input = `${"What is Ana's dog called?\n".repeat(60)}/stats\n/quit\nnever asked\n`;
  const { code, out, err } = await run(
    [
      'chat',
      bundled('recollect-tiny.gguf'),
      '--budget',
      '128',
      '--block',
      '64',
      '--context',
      context,
    ],
    { input },
  );
  assert.is(code, 0, err);
  const lines = out.trim().split('\n');
  assert.is(lines.length, 60 + 3);
  assert.is(lines[0].trim(), 'Rex');
  assert.ok(lines.slice(0, 60).filter((l) => l.trim() === 'Rex').length >= 55, out);
  assert.match(out, /tokens so far.*128 tokens kept a head/);
  assert.match(err, /promised/);
});

test('profile prints a line a layer and keeps the result', async ({ folder }) => {
  const [model, text] = [join(folder, 'p.gguf'), join(folder, 't.txt')];
  writeFileSync(model, readFileSync(bundled('recollect-tiny.gguf')));
  writeFileSync(text, 'Ravi: The name of the dog is Rex.\nMia: Lovely.\n'.repeat(40));
  const { code, out, err } = await run(['profile', model, '--text', text]);
  assert.is(code, 0, err);
  assert.is(out.match(/^layer +\d +[01]\.\d{4}$/gm)?.length, 4);
  assert.is(readJson<{ similarity: number[] }>(`${model}.profile.json`).similarity.length, 4);
});

test('score prints scores and kept rows in the format of the fixture', async () => {
  const file = fixture('policies.json');
  const { code, out, err } = await run(['score', '--tensors', file, '--policy', 'snapkv,keydiff']);
  assert.is(code, 0, err);
  const [found, expected] = [
    JSON.parse(out),
    readJson<{ kept: Record<string, unknown>; layerBudgets: unknown }>(file),
  ];
  assert.equal(Object.keys(found.scores), ['snapkv', 'keydiff']);
  assert.equal(found.kept, { snapkv: expected.kept.snapkv, keydiff: expected.kept.keydiff });
  assert.equal(found.layerBudgets, expected.layerBudgets);
});

test('help for everybody, and for every command', async () => {
  const { code, out } = await run(['--help']);
  assert.is(code, 0);
  for (const { name, summary, help } of commands) {
    assert.match(out, summary.slice(0, 20));
    const own = await run([name, '--help']);
    assert.equal([own.code, own.out.trim()], [0, help.trim()]);
  }
});

test('wrong arguments end with 2 and say how it is done', async () => {
  const model = bundled('recollect-tiny.gguf');
  const data = bundled('conv-2k.jsonl');
  const bad: [string[], RegExp][] = [
    [[], /usage/],
    [['nonsense'], /no command 'nonsense'/],
    [['logits'], /expected MODEL, found none/],
    [['logits', model], /--text TEXT is missing/],
    [['logits', model, '--text', 'x', '--top', 'many'], /--top is 'many'/],
    [['logits', model, '--txt', 'x'], /unknown option '--txt' \(did you mean --text\?\)/],
    [['chta', model], /no command 'chta' \(did you mean chat\?\)/],
    [['--verison'], /no option '--verison' \(did you mean --version\?\)/],
    [['logits', model, '--text', 'x', '--text', 'y'], /--text is given twice/],
    [
      ['logits', model, '--text', 'x', '--top', '-1'],
      /--top is '-1', expected a whole number from 1/,
    ],
    [['logits', model, '--text'], /--text/],
    [['chat'], /MODEL is a \.gguf file[\s\S]*Llama, Qwen, Gemma[\s\S]*recollect-tiny\.gguf/],
    [['demo', '--conversations', '99'], /expected at most 8/],
    [['eval', model, '--data', data], /--policy NAME is missing/],
    [['eval', model, '--data', data, '--policy', 'lru', '--budget', '9'], /no policy 'lru'/],
    [['eval', model, '--data', data, '--policy', 'knorm'], /--budget is missing/],
    [['eval', model, '--data', data, '--policy', 'knorm', '--budget', '9/8'], /--budget is '9\/8'/],
    [
      ['eval', model, '--data', data, '--policy', 'knorm', '--budget', '9', '--heads', 'all'],
      /--heads is 'all'/,
    ],
    [['profile', model], /--text FILE is missing/],
    [['score'], /--tensors FILE.json is missing/],
  ];
  for (const [args, pattern] of bad) {
    const { code, err, out } = await run(args);
    assert.is(code, 2, args.join(' '));
    assert.match(err + out, pattern);
  }
});

test('failures end with 1 and one line', async ({ folder }) => {
  const model = bundled('recollect-tiny.gguf');
  const empty = join(folder, 'empty.jsonl');
  writeFileSync(empty, '{"turns": [], "questions": [{"question": "a", "answer": "b"}]}\n');
  const broken = join(folder, 'broken.jsonl');
  writeFileSync(
    broken,
    '{"turns": [{"line": "x"}], "questions": [{"question": "a", "answer": "b"}]}\n{"turns": \n',
  );
  const latin = join(folder, 'latin.txt');
  writeFileSync(latin, Uint8Array.of(0x64, 0xe9, 0x6a, 0xe0));
  const bad: [string[], RegExp][] = [
    [['logits', '/no/such.gguf', '--text', 'x'], /no file at/],
    [['logits', bundled('conv-2k.jsonl'), '--text', 'x'], /a GGUF file begins with/],
    [['logits', '/tmp', '--text', 'x'], /'\/tmp' is a folder: name a \.gguf file/],
    [['profile', model, '--text', folder], /it is a folder: name a file/],
    [['profile', model, '--text', model], /is a model: name a text file/],
    [['episodes', '--data', latin], /is no UTF-8 text/],
    [['demo', '--out', folder], /cannot be written: it is a folder/],
    [['demo', '--out', join(latin, 'r.html')], /cannot be written: .*folder/],
    [
      ['eval', model, '--data', '/no/such.jsonl', '--policy', 'knorm', '--budget', '9'],
      /cannot be read/,
    ],
    [
      ['eval', model, '--data', empty, '--policy', 'knorm', '--budget', '9'],
      /line 1: the conversation is empty/,
    ],
    [['eval', model, '--data', broken, '--policy', 'knorm', '--budget', '9'], /line 2: no JSON/],
    [['score', '--tensors', bundled('conv-2k.jsonl')], /is no JSON/],
    [['chat', model, '--budget', '1KB'], /too small.*Raise the budget to/],
    [[...evalOne(model, 'knorm', '9'), '--json', '/proc/no/such'], /cannot be written/],
  ];
  for (const [args, pattern] of bad) {
    const { code, err } = await run(args);
    assert.is(code, 1, `${args.join(' ')}: ${err}`);
    assert.match(err, pattern);
    assert.is(err.trim().split('\n').length, 1, err);
  }
});

test('signals end a command with what shells expect of them', async ({ folder }) => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const out = join(folder, `${signal}.json`);
    const args = evalTiny('conv-16k.jsonl', '--policy epicache --budget 256');
    const ended = await interrupted(
      [...args, '--json', out],
      () => existsSync(`${out}.partial`),
      signal,
    );
    assert.is(ended.code, code, ended.err);
    assert.match(ended.err, signal === 'SIGINT' ? /interrupted/ : /ended by SIGTERM/);
  }
});

test('what was measured before an interrupt is shown where it is not kept', async () => {
  const args = evalTiny('conv-2k.jsonl', '--limit 2 --policy full,epicache --budget 1/8');
  const columns = 80;
  if (noTerminal !== undefined)
    return skip('cli/cli.test.js', 'an interrupt shows what was measured', noTerminal);
  // its progress tells when the first setup is done
  const program = start([main, ...args], { columns });
  await program.until(/epicache, setup 2 of 2, conversation 1/);
  program.signal('SIGINT');
  const { code, out } = await program.ended;
  assert.is(code, 130);
  assert.match(out, /\nfull +all +\d+\.\d%/);
  assert.match(out, /[23] of 4 conversations were done; with --json OUT they are kept/);
});

test("the version is the package's", async () => {
  const { version } = readJson<{ version: string }>(
    fileURLToPath(new URL('../../../../package.json', import.meta.url)),
  );
  for (const way of ['--version', '-v', 'version']) {
    const { code, out, err } = await run([way]);
    assert.equal([code, out, err], [0, `${version}\n`, ''], way);
  }
});

test('a reader that has seen enough is no failure', async () => {
  const program = start([main, 'episodes', '--data', bundled('conv-2k.jsonl'), '--json']);
  program.child.stdout!.destroy();
  const { code, err } = await program.ended;
  assert.equal([code, err], [0, '']);
});

test('faults of our own are a line, and their place with --debug', async () => {
  const fault = ['logits', bundled('recollect-tiny.gguf'), '--text', 'x'];
  const env = {
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent('process.stdout.write = () => { throw new TypeError("no such thing") }')}`,
  };
  for (const [args, extra, lines] of [
    [fault, {}, false],
    [[...fault, '--debug'], {}, true],
    [fault, { RECOLLECT_DEBUG: '1' }, true],
  ] as const) {
    const { code, err } = await run(args, { env: { ...env, ...extra } });
    assert.is(code, 1);
    assert.match(err, /^recollect logits: TypeError: no such thing/);
    assert.is(err.includes('\n    at '), lines, err);
  }
});

test('all that is printed fits into a terminal', async ({ folder }) => {
  const widest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));
  for (const { name, help } of commands)
    assert.ok(widest(help) <= 80, `${name}: ${help.split('\n').find((l) => l.length > 80)}`);
  const demo = ['demo', '--conversations', '1', '--out', join(folder, 'r.html')];
  const piped = await run(demo, {
    env: { npm_package_name: 'recollect', npm_lifecycle_event: 'start' },
  });
  assert.is(piped.code, 0, piped.err);
  assert.ok(widest(piped.out.replace(/file:.*/, '') + piped.err) < 100, piped.out);
  assert.match(piped.out, /npm run -s recollect -- chat YOUR-MODEL.gguf/);
  assert.match(piped.out, /Left out|prefill/);
  assert.match(piped.out, /file:\/\/.*r\.html/);
  const html = readFileSync(join(folder, 'r.html'), 'utf8');
  assert.match(html, /What to do next[\s\S]*npm run -s recollect -- chat/);
});

/** A result with all that the table shows. */
const readResult = (): EvalResult =>
  ({
    policy: 'keydiff',
    heads: 'uniform',
    layers: 'uniform',
    cacheType: 'f16',
    recall: 0,
    budget: 267,
    accuracy: 0.9,
    interval: { mean: 0.9, low: 0.8, high: 1 },
    f1: 0.9,
    questions: 80,
    peakCacheBytes: 693_000,
    promisedBytes: 3_800_000,
    firstTokenMs: 3.4,
    prefillMs: 700,
    decodeTokensPerSecond: 960,
  }) as unknown as EvalResult;

test('a table that would not fit leaves columns out, and says so', () => {
  const result = readResult();
  for (const width of [99, 80, 64]) {
    const text = resultTable(
      [
        result,
        { ...result, policy: 'epicache-defensive', heads: 'adaptive', cacheType: 'kivi-mixed3.5' },
      ],
      width,
    );
    for (const line of text.split('\n')) assert.ok(line.length <= width, `${width}: ${line}`);
    assert.is(/Left out/.test(text.replaceAll('\n', ' ')), true);
    assert.match(text, /accuracy/);
  }
});

test('a report says how to go on, as the program was started', () => {
  assert.is(startedAs({}), 'recollect');
  assert.is(startedAs({ npm_command: 'exec', npm_lifecycle_event: 'npx' }), 'npx recollect');
  assert.is(
    startedAs({ npm_package_name: 'recollect', npm_lifecycle_event: 'start' }),
    'npm run -s recollect --',
  );
  assert.is(startedAs({ npm_package_name: 'theirs', npm_lifecycle_event: 'start' }), 'recollect');
});
test('docs/cli.md knows every command, what the chat takes, and its example runs', async ({
  folder,
}) => {
  const text = readFileSync(
    fileURLToPath(new URL('../../../../docs/cli.md', import.meta.url)),
    'utf8',
  );
  for (const { name } of commands) assert.match(text, new RegExp(`^\\| \`${name}\` `, 'm'), name);
  for (const [, names] of chatHelp().matchAll(/^ {2}([^\s,]+(?:, [^\s,]+)*)/gm))
    for (const name of names.split(', ')) assert.ok(text.includes(name), `${name} of the chat`);
  const example = /```sh\nprintf '(.*)' \| recollect (chat .*)\n```/.exec(text)!;
  writeFileSync(join(folder, 'notes.txt'), 'Ravi: The name of the dog is Rex.\n');
  const args = [...example[2].matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain,
  );
  args[1] = bundled('recollect-tiny.gguf');
  const { code, out, err } = await run(args, {
    input: example[1].replaceAll('\\n', '\n'),
    cwd: folder,
  });
  assert.is(code, 0, err);
  assert.is(out.trim().split('\n').length, 2 + 3, out);
});
test.run();
