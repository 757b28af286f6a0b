// The command line as a user runs it: other processes, real files, exit codes.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commands } from '../../src/cli/registry.ts';
import { bundled, fixture, readJson } from '../fixtures.ts';

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const test = suite('command line', { folder: '' });
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'recollect-'));
});
test.after((context) => rmSync(context.folder, { recursive: true }));

/** A command that takes longer hangs. */
const TIME_LIMIT_MS = 120_000;

interface Ended {
  code: number | null;
  out: string;
  err: string;
}
function run(args: string[], options: { input?: string; interruptOn?: RegExp; interruptWhen?: () => boolean } = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    let interrupted = false;
    child.stdout.on('data', (d) => {
      out += d;
    });
    child.stderr.on('data', (d) => {
      err += d;
      if (options.interruptOn?.test(err) && !interrupted) {
        interrupted = true;
        child.kill('SIGINT');
      }
    });
    child.on('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => {}); // it may end before it has read everything
    // one that is to be interrupted waits for more
    if (!options.interruptOn) child.stdin.end(options.input ?? '');
    const limit = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_MS);
    child.on('close', () => clearTimeout(limit));
    const { interruptWhen } = options;
    if (interruptWhen) {
      const watch = setInterval(() => {
        if (!interruptWhen()) return;
        clearInterval(watch);
        child.kill('SIGINT');
      }, 50);
      child.on('close', () => clearInterval(watch));
    }
  });
}

test('logits prints the format of the fixtures', async () => {
  const expected = readJson<{ text: string; tokens: number[]; top: [number, number][][] }>(fixture('qwen3-f32.json'));
  const { code, out, err } = await run(['logits', fixture('qwen3-f32.gguf'), '--text', expected.text, '--top', '5']);
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

test('a sweep measures every combination, shared by processes or not, and goes on where it was interrupted', async ({ folder }) => {
  const args = ['eval', bundled('recollect-tiny.gguf'), '--data', bundled('conv-2k.jsonl'), '--limit', '2', '--policy', 'full,streaming-llm,keydiff'];
  const sweep = [...args, '--budget', '1/8,128', '--cache-type', 'f16,int4', '--recall', '0,32'];
  const answersOf = (file: string) =>
    JSON.parse(readFileSync(join(folder, file), 'utf8')).results.map((r: { policy: string; answers: { answer: string }[] }) => [
      r.policy,
      r.answers.map((a) => a.answer),
    ]);
  const whole = await run([...sweep, '--json', join(folder, 'whole.json'), '--html', join(folder, 'whole.html'), '--processes', '2']);
  assert.is(whole.code, 0, whole.err);
  const report = JSON.parse(readFileSync(join(folder, 'whole.json'), 'utf8'));
  assert.is(report.results.length, 2 + 2 * 2 * 2 * 2);
  for (const r of report.results) {
    assert.ok(r.interval.low <= r.accuracy && r.accuracy <= r.interval.high && r.questions === 80, r.policy);
    assert.is(
      Object.values(r.byTopic as Record<string, { questions: number }>).reduce((n, t) => n + t.questions, 0),
      80,
    );
    assert.ok(r.policy === 'full' || r.answers.every((a: { evidence: { kept: number[][] } }) => a.evidence.kept.length === 4));
  }
  assert.ok(report.comparisons.length > 0);
  const html = readFileSync(join(folder, 'whole.html'), 'utf8');
  assert.ok(
    html.includes('Accuracy over bytes') && html.includes('Where questions were lost') && !/https?:\/\//.test(html.replaceAll('http://www.w3.org', '')),
  );

  const out = join(folder, 'part.json');
  const begun = () => existsSync(`${out}.partial`) && readFileSync(`${out}.partial`, 'utf8').includes('\n');
  const cut = await run([...sweep, '--json', out], { interruptWhen: begun });
  assert.is(cut.code, 130, cut.err);
  assert.not(existsSync(out));
  const kept = readFileSync(`${out}.partial`, 'utf8').trim().split('\n').length;
  assert.ok(kept > 0 && kept < 36, String(kept));
  writeFileSync(`${out}.partial`, `${readFileSync(`${out}.partial`, 'utf8')}{"sweep": "cut o`); // as a full disk leaves it
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
  for (const key of ['segments', 'sizes', 'match', 'match2', 'recall', 'chance', 'questions']) assert.ok(key in report, key);
  assert.equal([report.sizes.length, report.sizes.reduce((a: number, b: number) => a + b, 0), report.questions], [4, report.segments, 40]);
  assert.ok(report.match > 2 * report.chance && report.match2 >= report.match && report.recall['16'] >= report.recall['4']);
  assert.is((await run([...args, '--json', '--seed', '3'])).out, json.out);
  const embedded = await run([...args, '--embedder', 'model', '--model', bundled('recollect-tiny.gguf'), '--json']);
  assert.ok(JSON.parse(embedded.out).match > 0);
  const table = await run(args);
  assert.match(table.out, /episode 4 +\d+ segments {2}\w+, \w+/);
  assert.is((await run(['episodes', '--data', bundled('conv-2k.jsonl'), '--embedder', 'model'])).code, 2);
});

test('eval prints a table and writes every result', async ({ folder }) => {
  const json = join(folder, 'new', 'out.json');
  const args = [
    'eval',
    bundled('recollect-tiny.gguf'),
    '--data',
    bundled('conv-2k.jsonl'),
    '--limit',
    '1',
    '--policy',
    'full,keydiff',
    '--policy',
    'streaming-llm',
    '--budget',
    '1/8',
    '--block',
    '256',
    '--json',
    json,
  ];
  const { code, out, err } = await run(args);
  assert.is(code, 0, err);
  const report = readJson<{ model: string; data: string; results: Record<string, number | string>[] }>(json);
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
    'eval',
    model,
    '--data',
    bundled('conv-2k.jsonl'),
    '--limit',
    '1',
    '--policy',
    'keydiff',
    '--budget',
    '200',
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
  writeFileSync(context, "Ravi: The name of Ana's dog is Rex.\nRavi: As I said, Ana's dog is called Rex.\n");
  const input = `${"What is Ana's dog called?\n".repeat(60)}/stats\n/quit\nnever asked\n`;
  const { code, out, err } = await run(['chat', bundled('recollect-tiny.gguf'), '--budget', '128', '--block', '64', '--context', context], { input });
  assert.is(code, 0, err);
  const lines = out.trim().split('\n');
  assert.is(lines.length, 60 + 3);
  assert.is(lines[0].trim(), 'Rex');
  assert.ok(lines.slice(0, 60).filter((l) => l.trim() === 'Rex').length >= 55, out);
  assert.match(out, /tokens so far.*128 tokens kept a head/);
  assert.match(err, /promised/);
});

test('chat has commands, says what is wrong on lines of its own, and goes on', async () => {
  const input = 'What is it?\n/help\n/memory\n/nope\n/system\n/system Be short.\n//x\nAgain?\nMore?\n/exit\nnever asked\n';
  const args = ['chat', bundled('recollect-tiny.gguf'), '--policy', 'full', '--budget', '60', '--block', '32', '--temperature', '5', '--seed', '1'];
  const { code, out, err } = await run(args, { input });
  assert.is(code, 0, err);
  assert.match(out, /\/system TEXT {3}a system message/);
  assert.match(out, /tokens so far.*60 tokens kept a head\nmemory: .* promised/);
  assert.match(err, /^no command \/nope; \/help tells/m);
  assert.match(err, /^say what: \/system TEXT/m);
  assert.match(err, /^policy 'full' keeps every token/m, 'the cache is full: said, and the chat goes on');
});

test('--version tells the version of package.json', async () => {
  const { version } = readJson<{ version: string }>(fileURLToPath(new URL('../../../../package.json', import.meta.url)));
  for (const name of ['--version', '-v', 'version']) {
    const { code, out } = await run([name]);
    assert.equal([code, out.trim()], [0, version]);
  }
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
  const [found, expected] = [JSON.parse(out), readJson<{ kept: Record<string, unknown>; layerBudgets: unknown }>(file)];
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
    [['logits', model], /--text is missing/],
    [['logits', model, '--text', 'x', '--top', 'many'], /--top is 'many'/],
    [['logits', model, '--txt', 'x'], /--txt/],
    [['eval', model, '--data', data], /--policy NAME is missing/],
    [['eval', model, '--data', data, '--policy', 'lru', '--budget', '9'], /no policy 'lru'/],
    [['eval', model, '--data', data, '--policy', 'knorm'], /--budget is missing/],
    [['eval', model, '--data', data, '--policy', 'knorm', '--budget', '9/8'], /--budget is '9\/8'/],
    [['eval', model, '--data', data, '--policy', 'knorm', '--budget', '9', '--heads', 'all'], /--heads is 'all'/],
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
  writeFileSync(broken, '{"turns": [{"line": "x"}], "questions": [{"question": "a", "answer": "b"}]}\n{"turns": \n');
  const bad: [string[], RegExp][] = [
    [['logits', '/no/such.gguf', '--text', 'x'], /no file at/],
    [['logits', bundled('conv-2k.jsonl'), '--text', 'x'], /a GGUF file begins with/],
    [['eval', model, '--data', '/no/such.jsonl', '--policy', 'knorm', '--budget', '9'], /cannot be read/],
    [['eval', model, '--data', empty, '--policy', 'knorm', '--budget', '9'], /line 1: the conversation is empty/],
    [['eval', model, '--data', broken, '--policy', 'knorm', '--budget', '9'], /line 2: no JSON/],
    [['score', '--tensors', bundled('conv-2k.jsonl')], /is no JSON/],
    [['chat', model, '--budget', '1KB'], /too small.*Raise the budget to/],
    [['eval', model, '--data', bundled('conv-2k.jsonl'), '--limit', '1', '--policy', 'knorm', '--budget', '9', '--json', '/proc/no/such'], /cannot be written/],
  ];
  for (const [args, pattern] of bad) {
    const { code, err } = await run(args);
    assert.is(code, 1, `${args.join(' ')}: ${err}`);
    assert.match(err, pattern);
    assert.is(err.trim().split('\n').length, 1, err);
  }
});

test('an interrupt ends with 130', async () => {
  const { code, err } = await run(['chat', bundled('recollect-tiny.gguf')], { interruptOn: /promised/ });
  assert.is(code, 130, err);
  assert.match(err, /interrupted/);
});
test.run();
