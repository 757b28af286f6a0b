// Chat templates as a model's file holds them: when they fail, how they take content, what they may
// read.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError, UnsupportedError } from '../../src/errors.ts';
import {
  type ChatTemplate,
  createChatTemplate,
  type Message,
} from '../../src/model/chat-template.ts';
import type { Tokenizer } from '../../src/model/tokenizer.ts';

const test = suite('chat template');
const chat = (source: unknown): ChatTemplate =>
  createChatTemplate(
    { 'tokenizer.chat_template': source } as never,
    { bosText: '<s>', eosText: '</s>' } as Tokenizer,
    'a.gguf',
  );
const user = (content: Message['content']): Message => ({ role: 'user', content });
const fails = (
  work: () => unknown,
  kind: new (message: string) => Error,
  pattern: RegExp,
): void => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof kind && pattern.test(error.message), String(error));
    return;
  }
  assert.unreachable('nothing was thrown');
};

test('nothing is parsed or rendered before it is used', () => {
  for (const source of [
    '{% for m in %}',
    '{{ raise_exception("no") }}',
    '{% if',
    undefined,
    7,
    ' ',
  ]) {
    const template = chat(source);
    assert.is(template.exists, typeof source === 'string' && source !== ' ');
  }
});

test('a template that is missing or cannot be parsed says so when it is used', () => {
  fails(
    () => chat(undefined).render([user('a')], true),
    UnsupportedError,
    /a\.gguf: the model has no chat template/,
  );
  for (const source of [
    '{% for m in %}',
    '{% if',
    '{% if x %}',
    '{{ a',
    '{% endfor %}',
    '{% frobnicate %}',
  ])
    fails(
      () => chat(source).render([user('a')], true),
      UnsupportedError,
      /a\.gguf: its chat template cannot be parsed/,
    );
});

test('a refusal is told in the words of the template', () => {
  const template = chat(
    "{% if messages[0]['role'] != 'system' %}{{ raise_exception('System first, please!') }}{% endif %}{{ messages[0]['content'] }}",
  );
  fails(() => template.render([user('a')], true), OptionError, /System first, please!/);
  assert.is(template.render([{ role: 'system', content: 'a' }], true), 'a');
});

const parts =
  "{% for m in messages %}{{ m['role'] }}:{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %};{% endfor %}";
const text = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }};{% endfor %}";
const both =
  '{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}[{{ p.text }}]{% endfor %}{% endif %}{% endfor %}';

test('content goes in as the template takes it', () => {
  const list = user([
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]);
  assert.is(chat(parts).render([user('hello')], false), 'user:hello;');
  assert.is(chat(parts).render([list], false), 'user:ab;');
  assert.is(chat(text).render([list], false), 'user:a\nb;');
  assert.is(chat(both).render([user('a'), list], false), 'a[a][b]');
  fails(
    () => chat(text).render([user([{ type: 'image', image: 'x.png' }])], false),
    OptionError,
    /part of type 'image'/,
  );
});

test("further fields and variables are the template's to read", () => {
  const template = chat(
    '{{ messages[0].name }} {{ tools[0].name }} {{ bos_token }}{{ eos_token }} {{ enable_thinking is defined }}',
  );
  const message: Message = { role: 'user', content: 'a', name: 'Ana' };
  assert.match(
    template.render([message], false, { tools: [{ name: 'look' }] }),
    /^Ana look <s><\/s> /,
  );
});

test('line ends are those of the text, not of who wrote the template', () => {
  assert.is(chat('a\r\n{% if true %}\r\nb\r{% endif %}\r\n').render([], false), 'a\nb\n');
});

test('strip takes the characters that are named', () => {
  const template = chat(
    "{{ '\\n\\n  code\\n'.strip('\\n') }}|{{ 'xxabxx'.lstrip('x') }}|{{ 'xxabxx'.rstrip('x') }}|{{ '  a '.strip() }}|{{ 'ab' .strip('') }}",
  );
  assert.is(template.render([], false), '  code|abxx|xxab|a|ab');
});

// what Python's jinja2 3.1.6 writes, with the settings of transformers
const written = (source: string, variables = {}): string =>
  chat(source).render(
    [user('a'), { role: 'assistant', content: 'b' }, user('c')],
    false,
    variables,
  );

test('each turn of a loop has its own variables, and sees those outside', () => {
  assert.is(
    written(
      "{% set seen = 'none' %}{% for m in messages %}{% if m.role == 'assistant' %}" +
        "{% set note = '!' %}{% set seen = m.content %}{% endif %}" +
        '{{ m.content }}{{ note }}{{ seen }} {% endfor %}{{ seen }}{{ note is defined }}',
    ),
    'anone b!b cnone noneFalse',
  );
  assert.is(
    written(
      '{% for i in [1, 2] %}{% for j in [1, 2] %}{{ k }}{% set k = i * j %}{{ k }}{% endfor %};{% endfor %}',
    ),
    '12;24;',
  );
});

test('what a turn of a loop wrote before it is left stays', () => {
  const jump = (word: string) =>
    `{% for m in messages %}[{{ m.content }}{% if m.role == 'assistant' %}+{% ${word} %}{% endif %}]` +
    '{% else %}none{% endfor %}';
  assert.is(written(jump('continue')), '[a][b+[c]');
  assert.is(written(jump('break')), '[a][b+');
  assert.is(
    written(
      '{% for i in [1, 2] %}{{ i }}{% for j in [1, 2] %}-{% break %}{% endfor %}{% continue %}x{% endfor %}',
    ),
    '1-2-',
  );
  assert.is(written('{% for i in [1] %}{% continue %}{% else %}none{% endfor %}'), 'none');
  assert.is(written('{% for i in [1] %}a{% break %}{% else %}none{% endfor %}'), 'anone');
});

test('a method of a dictionary is called where a key has its name', () => {
  const call = { items: [1], get: 'g', keys: 'k', values: 'v', other: 'o' };
  assert.is(
    written(
      "{% for k, v in call.items() %}{{ k }} {% endfor %}{{ call.get('other') }}{{ call.get('no', 'd') }}" +
        "{{ call.keys() | length }}{{ call.values() | length }}{{ call['get'] }}{{ call.items | length }}",
      { call },
    ),
    'items get keys values other od55g1',
  );
});

test('values are equal by value and kind', () => {
  const equal = (pairs: readonly string[]) =>
    written(`{{ ${pairs.map((pair) => `(1 if ${pair} else 0)`).join(' ~ ')} }}`, {
      list: ['a'],
      map: { a: [1] },
    });
  assert.is(
    equal(["'' == false", "[] == ''", "['a'] == 'a'", "'1' == 1", "0 == ''", "list != ['a']"]),
    '000000',
  );
  assert.is(
    equal([
      "list == ['a']",
      "map == {'a': [1]}",
      '(1, 2) == (1, 2)',
      '1 == 1.0',
      '1 == true',
      '[] == []',
    ]),
    '111111',
  );
  assert.is(
    equal([
      "'' != false",
      "map == {'a': [2]}",
      '[1] == (1,2)',
      'none == none',
      'none == 0',
      "'a' == 'a'",
    ]),
    '100101',
  );
  // not Python's: there what is missing differs from none
  assert.is(equal(['tools == none', 'tools != none', 'list == none', 'tools == no']), '1001');
});

test('the date stays what the caller says it is', () => {
  const now = new Date(2026, 2, 7, 15, 4, 5);
  const template = chat("{{ strftime_now('%d %B %Y, %b %-d %y, %A %a %H:%M:%S %I %p %j %% %Q') }}");
  assert.is(
    template.render([], false, { now }),
    '07 March 2026, Mar 7 26, Saturday Sat 15:04:05 03 PM 066 % %Q',
  );
});

test('whatever a template does ends soon, as an error of ours', () => {
  const runaways = [
    '{% for i in range(1000000000) %}x{% endfor %}',
    '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
    '{% set r = range(100000) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}',
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    '{% set ns = namespace(a=[], b=[]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}',
    '{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}',
    ...['{{ ns.x }}', '{{ ns.x | tojson }}', '{{ ns.x == [ns.x] }}', "{{ 'a' ~ ns.x }}"].map(
      (use) =>
        "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}" +
        `{% set ns.x = [ns.x, ns.x] %}{% endfor %}${use}`,
    ),
    "{{ 'ab' * 1000000000 }}",
    '{{ [1] * 1000000000 }}',
    "{% set x = 'a' * 100000 %}{% for i in range(100000) %}{{ x[i] }}{% endfor %}",
    `{{ ${'('.repeat(20000)}1${')'.repeat(20000)} }}`,
    `{{ ${'['.repeat(5000)}${']'.repeat(5000)} }}`,
    `${'{% if true %}'.repeat(3000)}${'{% endif %}'.repeat(3000)}`,
    `a${' '.repeat(200000)}b`,
    'x'.repeat(300000),
  ];
  for (const source of runaways) {
    const begin = performance.now();
    fails(
      () => chat(source).render([user('a')], false),
      UnsupportedError,
      /a\.gguf: its chat template (does too much|cannot be parsed|has \d+)/,
    );
    assert.ok(performance.now() - begin < 20_000, source.slice(0, 60));
  }
});

test('ten thousand messages are no runaway', () => {
  const source =
    "{% set ns = namespace(last=-1) %}{% for m in messages[::-1] %}{% if m['role'] == 'user' and ns.last < 0 %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}" +
    "{% for m in messages %}{% if loop.index0 > 0 and messages[loop.index0 - 1].role == m.role %}{{ raise_exception('twice') }}{% endif %}" +
    "{{ '<|' + m['role'] + '|>' + m['content'] | trim + '</s>' }}{% endfor %}";
  const messages = Array.from({ length: 10_000 }, (_, i): Message => ({
    role: i % 2 ? 'assistant' : 'user',
    content: `text ${i}`,
  }));
  assert.ok(chat(source).render(messages, true).endsWith('<|assistant|>text 9999</s>'));
});

test.run();
