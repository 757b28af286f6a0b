// The chat as people use it: typed in a terminal, fed by a pipe, interrupted at any time. What is
// waited for is what it prints.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundled, fixture } from '../fixtures.ts';
import { skip } from '../skip.ts';
import { main, noTerminal, type Program, run, start } from './program.ts';

const test = suite('chat', { folder: '' });
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'recollect-'));
});
test.after((context) => rmSync(context.folder, { recursive: true }));

const tiny = bundled('recollect-tiny.gguf');
/** A model of random weights, which never ends its reply by itself. */
const endless = [
  main,
  'chat',
  fixture('qwen3-f32.gguf'),
  '--budget',
  '200',
  '--block',
  '64',
  '--max-tokens',
  '100000000',
];
const tokensOf = (text: string) => Number(/tokens +(\d+) in the conversation/.exec(text)?.[1]);

test('an interrupt ends the reply, what was said of it is kept, and the next line is answered', async () => {
  const chat = start(endless);
  chat.write('hello\n');
  await chat.until(/threads?\n|\)\n/);
  await chat.until(/[\s\S]{300}/);
  chat.signal('SIGINT');
  await chat.until(/\(stopped; what was said so far is kept\)/);
  chat.write('/memory\n');
  const memory = await chat.until(/seed .*\n/);
  assert.ok(tokensOf(memory) > 64, memory);
  chat.write('and again\n');
  await chat.until(/[\s\S]{300}/);
  chat.signal('SIGINT');
  await chat.until(/kept\)/);
  chat.write('/memory\n');
  const more = await chat.until(/seed .*\n/);
  assert.ok(tokensOf(more) > tokensOf(memory), more);
  chat.child.stdin!.end();
  const { code, out } = await chat.ended;
  assert.is(code, 0);
  assert.not.ok(
    /stopped/.test(out) || out.includes('\u001b'),
    'remarks go to standard error, and a pipe gets no escape codes',
  );
  assert.match(out, /\npolicy {4}keydiff/, 'the reply that was ended has a line of its own');
});

test('an interrupt where nothing is under way ends a chat in a pipe', async () => {
  const idle = start(endless);
  await idle.until(/promised/);
  idle.write('/stats\n');
  await idle.until(/replying .*\n/);
  idle.signal('SIGINT');
  assert.is((await idle.ended).code, 130);
});

test('SIGTERM and SIGHUP end it, and what it stored goes', async ({ folder }) => {
  for (const [signal, expected] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const chat = start(endless);
    chat.write('hello\n');
    await chat.until(/promised[\s\S]{600}/);
    chat.signal(signal);
    const { code, out, err } = await chat.ended;
    assert.is(code, expected, err);
    assert.match(err, new RegExp(`ended by ${signal}`));
    assert.ok(out.endsWith('\n'), 'its last line is whole');
  }
  assert.equal(readdirSync(folder), []);
});

test('what goes wrong with a turn is told on a line of its own, and the chat goes on', async () => {
  const long = 'word '.repeat(400);
  const sampling = ['--temperature', '50', '--seed', '1', '--max-tokens', '5000'];
  const args = ['chat', tiny, '--policy', 'full', '--budget', '120', '--block', '64', ...sampling];
  const { code, out, err } = await run(args, {
    input: `What is it?\n${long}\nAgain?\n/stats\n/nonsense\n/memry\n`,
  });
  assert.is(code, 0, err);
  assert.match(err, /^(policy 'full' keeps every token|\(cut off: there is no room)/m);
  assert.match(err, /^the question has \d+ tokens/m);
  assert.match(err, /^no command '\/nonsense'/m);
  assert.match(err, /did you mean \/memory\?/);
  assert.match(out, /\n\d+ tokens so far/);
  assert.not.match(err, /\n\s+at /);
});

test('lines of a pipe are turns; several lines are one between quotes; // says a slash; empty lines are nothing', async () => {
  const question = "What is Ana's dog called?";
  const input = `\n${question}\r\n"""\n${question}\nTell me.\n"""\n\n//help\n/quit\nnever\n`;
  const { code, out, err } = await run(['chat', tiny, '--budget', '8MB'], { input });
  assert.is(code, 0, err);
  assert.is(out.trimEnd().split('\n').length, 3, out);
  const unfinished = await run(['chat', tiny, '--budget', '8MB'], {
    input: `"""${question}\nTell me.`,
  });
  assert.equal([unfinished.code, unfinished.out.trimEnd().split('\n').length], [0, 1]);
});

test('commands: help, memory, system, clear', async ({ folder }) => {
  const context = join(folder, 'context.txt');
  writeFileSync(
    context,
    "\ufeffRavi: The name of Ana's dog is Rex.\nRavi: As I said, Ana's dog is called Rex.\n",
  );
  const said = [
    '/help',
    '/memory',
    "What is Ana's dog called?",
    '/memory',
    '/clear',
    "What is Ana's dog called?",
    '/memory',
  ];
  const args = [
    'chat',
    tiny,
    '--budget',
    '4MB',
    '--policy',
    'snapkv',
    '--context',
    context,
    '--temperature',
    '0.01',
    '--seed',
    '7',
  ];
  const { code, out, err } = await run(args, { input: said.join('\n') });
  assert.is(code, 0, err);
  for (const name of ['/help', '/memory', '/system', '/clear', '/exit', 'Ctrl-C'])
    assert.ok(out.includes(name), name);
  const memories = out.split('policy    ').slice(1);
  assert.is(memories.length, 3);
  assert.match(
    memories[0],
    /^snapkv, uniform heads, blocks of 256 tokens\nbudget {4}4MB: \d+ tokens kept a head\npromised {2}4.0 MB/,
  );
  assert.match(memories[1], /rows {6}[1-9]\d* cached a head now, of type f16\n/);
  assert.match(memories[1], /seed {6}7\n/);
  assert.is(tokensOf(memories[1]), tokensOf(memories[2]), 'it began again with the context');
  assert.ok(tokensOf(memories[0]) < tokensOf(memories[1]));
  assert.is(out.match(/Rex/g)?.length, 2);

  const systems = await run(['chat', tiny, '--budget', '4MB', '--system', 'Be kind.'], {
    input: '/system\nHello\n/system Be short.\n/system\n/clear now\n/system\u00a0\n',
  });
  assert.is(systems.code, 0, systems.err);
  assert.match(systems.out, /^Be kind\.\n/);
  assert.match(systems.out, /Be kind\.\nBe short\.\n/);
  assert.match(systems.err, /stands here, behind what was said so far/);
  assert.match(systems.err, /\/clear takes nothing behind it, found 'now'/);
});

test('what cannot be is said before a model is loaded', async () => {
  const bad: [string[], RegExp][] = [
    [['--policy', 'keydif'], /did you mean keydiff\?/],
    [['--temperature', '-1'], /temperature/],
    [['--independent'], /needs something to ask about/],
    [['--system', ' '], /--system is empty/],
    [['--max-tokens', ''], /--max-tokens is ''/],
  ];
  for (const [args, pattern] of bad) {
    const { code, err } = await run(['chat', '/no/such.gguf', ...args]);
    assert.ok(code === 2 || code === 1, err);
    assert.match(err, pattern);
    assert.not.match(err, /no file/);
  }
});

if (noTerminal !== undefined) skip('cli/chat.test.js', 'the chat in a terminal', noTerminal);
else {
  /** A chat in a terminal, at its prompt. */
  const talk = async (
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Program> => {
    const chat = start(args, { columns: 80, env });
    await chat.until(/ends a reply, Ctrl-D the chat[\s\S]*> /);
    return chat;
  };
  const ENTER = '\r';
  const [CTRL_C, CTRL_D] = ['\u0003', '\u0004'];

  test('in a terminal Ctrl-C ends the reply, clears what was typed, hints, and leaves', async () => {
    const chat = await talk(endless);
    chat.write(`hello${ENTER}`);
    await chat.until(/hello\s+[\s\S]{300}/);
    chat.write(CTRL_C);
    await chat.until(/\r\n\(stopped; what was said so far is kept\)[\s\S]*> /);
    chat.write(`/memory${ENTER}`);
    assert.ok(tokensOf(await chat.until(/seed[\s\S]*> /)) > 64);
    chat.write('never entered');
    await chat.until(/never entered/);
    chat.write(CTRL_C);
    await chat.until(/> /);
    chat.write(`/stats${ENTER}`);
    await chat.until(/tokens so far[\s\S]*> /);
    chat.write(CTRL_C);
    await chat.until(/\(Ctrl-C again, Ctrl-D or \/exit ends the chat\)[\s\S]*> /);
    chat.write(`/stats${ENTER}`);
    await chat.until(/tokens so far[\s\S]*> /);
    chat.write(CTRL_C);
    await chat.until(/\(Ctrl-C again[\s\S]*> /);
    chat.write(CTRL_C);
    assert.is((await chat.ended).code, 0);
  });

  test('twice Ctrl-C within a reply, before it could end, ends the chat', async () => {
    const chat = await talk(endless);
    chat.write(`hello${ENTER}`);
    await chat.until(/hello\s+[\s\S]{300}/);
    chat.write(CTRL_C + CTRL_C);
    // the first may have done its work before the second is heard: then that is a hint, and a third
    // leaves
    const outcome = await Promise.race([
      chat.ended.then((e) => e.code),
      chat.until(/\(Ctrl-C again/).then(
        () => 'hint',
        () => 'over',
      ),
    ]);
    if (outcome === 'hint') {
      chat.write(CTRL_C);
      assert.is((await chat.ended).code, 0);
    } else assert.is((await chat.ended).code, 130);
  });

  test('Ctrl-D leaves, with the terminal as it was', async () => {
    const chat = await talk([main, 'chat', tiny, '--budget', '4MB']);
    chat.write(CTRL_D);
    const { code, out } = await chat.ended;
    assert.is(code, 0, out);
    assert.ok(
      out.endsWith('\u001b[?2004l\r\n') || out.includes('\u001b[?2004l'),
      JSON.stringify(out.slice(-80)),
    );
  });

  test('pasted lines are one turn, and what is typed ahead waits', async () => {
    const chat = await talk([main, 'chat', tiny, '--budget', '4MB', '--verbose']);
    chat.write(`\u001b[200~one\rtwo\rthree\u001b[201~${ENTER}`);
    await chat.until(/first token after[\s\S]*> /);
    chat.write(`/stats${ENTER}/exit${ENTER}`);
    await chat.until(/tokens so far/);
    const { code, out } = await chat.ended;
    assert.is(code, 0);
    assert.is(out.match(/first token after/g)?.length, 1, out);
  });

  test('a terminal gets no escape codes from the model, and no colours', async () => {
    const chat = await talk(endless, { NO_COLOR: '1' });
    chat.write(`hello${ENTER}`);
    const reply = await chat.until(/hello\s+[\s\S]{600}/);
    chat.write(CTRL_C);
    await chat.until(/stopped[\s\S]*> /);
    chat.write(CTRL_D);
    assert.is((await chat.ended).code, 0);
    const controls = [...reply.slice(reply.indexOf('hello')).replaceAll('\r', '')].filter(
      (c) => c < ' ' && c !== '\n' && c !== '\t',
    );
    assert.equal(controls, []);
    assert.match(reply, /\ufffd/, 'this reply has some');
  });

  test('a terminal that cannot edit lines is asked plainly', async () => {
    const chat = await talk([main, 'chat', tiny, '--budget', '4MB'], { TERM: 'dumb' });
    chat.write(`/stats${ENTER}`);
    await chat.until(/tokens so far/);
    chat.write(`/exit${ENTER}`);
    const { code, out, err } = await chat.ended;
    assert.is(code, 0);
    assert.not.ok((out + err).includes('\u001b'));
  });
}
test.run();
