// What the model reads is what its template says: after every call the conversation's tokens are
// those of the template rendered at once over everything that was said, and encoded at once.
// Templates have the published structure of their families, in words of ours; the renderings come
// from
// @huggingface/jinja itself.
import { Template } from '@huggingface/jinja';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { createRandom } from '../../src/math/rng.ts';
import { type Conversation, openConversation } from '../../src/session/conversation.ts';
import type { ConversationOptions } from '../../src/session/options.ts';
import { smallLlama } from '../gguf-writer.ts';
import { machineModel } from '../machine.ts';
import { rejects } from '../rejects.ts';

const test = suite('rendering');

interface Said {
  readonly role: string;
  readonly content: string;
}

interface Family {
  readonly source: string;
  /**
   * Which messages it takes: a system message first or not at all, another one later; whether user
   * and assistant must take turns.
   */
  readonly system?: 'never' | 'always';
  readonly strict?: boolean;
  readonly options?: Partial<ConversationOptions>;
}

const turns = (open: string, close: string, reply: string, before = '') =>
  `${before}{% for m in messages %}${open}{{ m['content'] }}${close}{% endfor %}{% if add_generation_prompt %}${reply}{% endif %}`;
const alternates =
  "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must take turns') }}{% endif %}";
const lead =
  "{% if messages[0]['role'] == 'system' %}{% set lead = messages[0]['content'] %}{% set rest = messages[1:] %}" +
  "{% else %}{% set lead = '' %}{% set rest = messages %}{% endif %}";

const families: Record<string, Family> = {
  chatml: {
    source: turns(
      "{{ '<|im_start|>' + m['role'] + '\\n' }}",
      "{{ '<|im_end|>\\n' }}",
      "{{ '<|im_start|>assistant\\n' }}",
    ),
  },
  'chatml, CR LF': {
    source: `{% for m in messages %}\r\n{{ '<|im_start|>' + m['role'] }}\r\n{{ m['content'] }}<|im_end|>\r\n{% endfor %}\r\n{% if add_generation_prompt %}\r\n<|im_start|>assistant\r\n{% endif %}`,
  },
  'llama 3': {
    source:
      "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
  },
  'llama 2': {
    strict: true,
    source:
      `${lead}{% for m in rest %}${alternates}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' }}` +
      "{% if loop.first and lead %}{{ '<<SYS>>\\n' + lead + '\\n<</SYS>>\\n\\n' }}{% endif %}{{ m['content'].strip() + ' [/INST]' }}" +
      "{% else %}{{ ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
  },
  'mistral, first': {
    strict: true,
    system: 'never',
    source: `{{ bos_token }}{% for m in messages %}${alternates}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}`,
  },
  'mistral, system in the last turn': {
    strict: true,
    source:
      `${lead}{{ bos_token }}{% for m in rest %}${alternates}{% if m['role'] == 'user' %}{{ '[INST] ' }}{% if loop.last and lead %}{{ lead + '\\n\\n' }}{% endif %}` +
      "{{ m['content'] + '[/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}",
  },
  'mistral, with a system prompt': {
    strict: true,
    source:
      `${lead}{{ bos_token }}{% if lead %}{{ '[SYSTEM_PROMPT]' + lead + '[/SYSTEM_PROMPT]' }}{% endif %}{% for m in rest %}${alternates}` +
      "{% if m['role'] == 'user' %}{{ '[INST]' + m['content'] + '[/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}",
  },
  'qwen 2.5': {
    source:
      "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}" +
      turns(
        "{{ '<|im_start|>' + m['role'] + '\\n' }}",
        "{{ '<|im_end|>\\n' }}",
        "{{ '<|im_start|>assistant\\n' }}",
      ),
  },
  'qwen 3': {
    source:
      "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m['role'] == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}" +
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' %}{% set c = m['content'].split('</think>')[-1] %}" +
      "{% if loop.index0 > ns.last %}{{ '<think>\\n\\n</think>\\n\\n' + c }}{% else %}{{ c }}{% endif %}{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}",
  },
  gemma: {
    strict: true,
    system: 'never',
    source:
      `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}{% for m in messages %}${alternates}` +
      "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
  },
  'gemma 3': {
    strict: true,
    source:
      `${lead}{{ bos_token }}{% for m in rest %}${alternates}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\\n' }}` +
      "{% if loop.first and lead %}{{ lead + '\\n\\n' }}{% endif %}{{ m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
  },
  phi: {
    source: turns(
      "{{ '<|' + m['role'] + '|>\\n' }}",
      "{{ '<|end|>\\n' }}",
      "{{ '<|assistant|>\\n' }}",
    ),
  },
  zephyr: {
    source: `{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token }}\n{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}\n{% endif %}{% endfor %}`,
  },
  vicuna: {
    system: 'never',
    source:
      "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}{% elif m['role'] == 'assistant' %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}" +
      "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
  },
  'deepseek, distilled': {
    source:
      `${lead}{{ bos_token + lead }}{% for m in rest %}{% if m['role'] == 'user' %}{{ '<|User|>' + m['content'] }}` +
      "{% elif m['role'] == 'assistant' %}{{ '<|Assistant|>' + m['content'].split('</think>')[-1] + eos_token }}{% endif %}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}",
  },
  'content as parts': {
    source:
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}" +
      "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  },
  'system required': {
    system: 'always',
    source: `{% if messages[0]['role'] != 'system' %}{{ raise_exception('system first') }}{% endif %}${turns("{{ '<|' + m['role'] + '|>' }}", "{{ '<|end|>' }}", '<|assistant|>')}`,
  },
  'tools declared': {
    options: { tools: [{ type: 'function', function: { name: 'look', description: 'Looks.' } }] },
    source:
      "{% if tools %}{{ '<|im_start|>system\\n# Tools' }}{% for t in tools %}{{ '\\n' + t['function']['name'] }}{% endfor %}{{ '<|im_end|>\\n' }}{% endif %}" +
      turns(
        "{{ '<|im_start|>' + m['role'] + '\\n' }}",
        "{{ '<|im_end|>\\n' }}",
        "{{ '<|im_start|>assistant\\n' }}",
      ),
  },
};

const specials =
  '<s> </s> <|im_start|> <|im_end|> <|start_header_id|> <|end_header_id|> <|eot_id|> [INST] [/INST] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] <think> </think> <start_of_turn> <end_of_turn> <|system|> <|user|> <|assistant|> <|User|> <|Assistant|>'.split(
    ' ',
  );
const plainTokens = smallLlama().metadata['tokenizer.ggml.tokens'] as string[];
const tokens = [...plainTokens.slice(0, -1), 'Ġthe', 'ĊĊ', 'ĠĠ', '<|end|>', ...specials];
const metadata = {
  'tokenizer.ggml.tokens': tokens,
  'tokenizer.ggml.merges': ['t h', 'h e', 'th e', 'Ġ the', 'Ċ Ċ', 'Ġ Ġ'],
  'tokenizer.ggml.token_type': tokens.map((t) => (t === '<|end|>' || specials.includes(t) ? 3 : 1)),
  'tokenizer.ggml.bos_token_id': tokens.indexOf('<s>'),
  'tokenizer.ggml.eos_token_id': tokens.indexOf('</s>'),
  'llama.context_length': 2048,
};

type Random = () => number;
const whole = (random: Random, least: number, most: number) =>
  least + Math.floor(random() * (most - least + 1));
const words = [
  'the',
  'he',
  'Rex',
  '\n',
  '\n\n',
  ' ',
  '  ',
  '.',
  'ünï',
  '\u4f60',
  '7',
  "don't",
  '\t',
  '</think>',
];
/**
 * Text that begins and ends with a letter: what templates do with white space there, each does for
 * itself.
 */
const contentOf = (random: Random) =>
  `a${Array.from({ length: whole(random, 0, 12) }, () => words[Math.floor(random() * words.length)]).join(random() < 0.5 ? ' ' : '')}z`;

/**
 * Everything said, rendered and encoded at once. Undefined where the template refuses it so far.
 */
function expected(
  model: Model,
  family: Family,
  said: readonly Said[],
  reply = false,
): number[] | undefined {
  const { tokenizer } = model;
  const parts = family.source.includes("p['text']");
  const messages = said.map((m) =>
    parts ? { ...m, content: [{ type: 'text', text: m.content }] } : m,
  );
  const names = { tools: family.options?.tools, ...family.options?.templateVariables };
  let text: string;
  try {
    text = new Template(family.source.replaceAll('\r\n', '\n')).render({
      ...names,
      messages,
      add_generation_prompt: reply,
      bos_token: tokenizer.bosText,
      eos_token: tokenizer.eosText,
    });
  } catch {
    return undefined;
  }
  const bos = tokenizer.addBos && !text.startsWith(tokenizer.bosText) ? [tokenizer.bosToken!] : [];
  return [...bos, ...tokenizer.encode(text)];
}

/** One conversation with random calls. */
async function converse(model: Model, family: Family, seed: number): Promise<void> {
  const random = createRandom(seed);
  const policy = random() < 0.5 ? 'full' : 'streaming-llm';
  using c = openConversation(model, {
    budget: policy === 'full' ? 1900 : 96,
    blockSize: 192,
    policy,
    ...family.options,
  });
  const said: Said[] = [];
  const check = (what: string): void => {
    const whole = expected(model, family, said);
    const last = said[said.length - 1];
    // a system message alone is written with what comes next in some families
    if (whole === undefined || last === undefined || (last.role === 'system' && family.strict))
      return;
    assert.equal(
      c.tokens,
      whole,
      `seed ${seed}, ${what}: ${model.tokenizer.decode(c.tokens, true)}`,
    );
  };
  const add = async (messages: readonly Said[]): Promise<void> => {
    said.push(...messages);
    if (random() < 0.5) await c.add(messages);
    else for (const message of messages) await c.add(message);
    check(`${messages.length} messages`);
  };
  if (family.system === 'always' || (family.system === undefined && random() < 0.5))
    await add([{ role: 'system', content: contentOf(random) }]);
  for (let turn = whole(random, 1, 3); turn > 0; turn--) {
    const question = { role: 'user', content: contentOf(random) };
    if (random() < 0.4) {
      await add([question, { role: 'assistant', content: contentOf(random) }]);
      continue;
    }
    if (random() < 0.2 && said.length > 0) {
      const before = c.tokens;
      await c.ask(contentOf(random), { keep: false, maxTokens: 2 }).text();
      assert.equal(c.tokens, before, `seed ${seed}: a question that is not kept leaves no trace`);
    }
    const asking = c.ask(question.content, {
      maxTokens: whole(random, 1, 6),
      temperature: 2,
      seed: turn,
    });
    const pieces = asking[Symbol.asyncIterator]();
    await pieces.next();
    const asked = expected(model, family, [...said, question], true)!;
    if (asking.finishReason === undefined)
      assert.equal(c.tokens.slice(0, asked.length), asked, `seed ${seed}, while asked`);
    const text = await asking.text();
    said.push(question, { role: 'assistant', content: text });
    const trimmed = [...said.slice(0, -1), { role: 'assistant', content: text.trimStart() }];
    const ways = [said, trimmed].map((way) => JSON.stringify(expected(model, family, way)));
    assert.ok(
      ways.includes(JSON.stringify(c.tokens)),
      `seed ${seed}, answered: ${JSON.stringify(model.tokenizer.decode(c.tokens, true))}`,
    );
    // what a reply is taken for goes on as it is
    if (JSON.stringify(c.tokens) !== ways[0]) said[said.length - 1] = trimmed[trimmed.length - 1];
  }
}

const CONVERSATIONS = 200;

for (const [name, family] of Object.entries(families)) {
  test(`${name}: ${CONVERSATIONS} conversations`, async () => {
    using model = await loadModel(machineModel(family.source, metadata, tokens.length), {
      threads: 1,
    });
    for (let seed = 0; seed < CONVERSATIONS; seed++) await converse(model, family, seed);
  });
}

const text = 'a b\nthe end\n\nz';
/** The tokens of a text, and of text without a role followed by a question. */
async function plain(
  name: string,
  work: (c: Conversation, model: Model, family: Family) => Promise<void>,
): Promise<void> {
  const family = families[name];
  using model = await loadModel(machineModel(family.source, metadata, tokens.length), {
    threads: 1,
  });
  using c = openConversation(model, { budget: 1900, blockSize: 192, policy: 'full' });
  await work(c, model, family);
}

test('text without a role, in however many calls, is one system message', async () => {
  for (const name of [
    'chatml',
    'llama 2',
    'llama 3',
    'mistral, system in the last turn',
    'qwen 2.5',
    'gemma 3',
    'phi',
    'zephyr',
  ]) {
    await plain(name, async (c, model, family) => {
      for (const piece of ['a b\n', 'the', ' end\n', '\n', 'z']) await c.add(piece);
      const reply = await c.ask('why?', { maxTokens: 1 }).text();
      const said = [
        { role: 'system', content: text },
        { role: 'user', content: 'why?' },
        { role: 'assistant', content: reply },
      ];
      assert.equal(c.tokens, expected(model, family, said), name);
    });
  }
});

test('text without a role goes before the question where there is no system role', async () => {
  for (const name of ['mistral, first', 'gemma', 'vicuna']) {
    await plain(name, async (c, model, family) => {
      await c.add(text);
      const reply = await c.ask('why?', { maxTokens: 1 }).text();
      const said = [
        { role: 'user', content: `${text}\n\nwhy?` },
        { role: 'assistant', content: reply },
      ];
      assert.equal(c.tokens, expected(model, family, said), name);
    });
  }
});

test('an answer that only calls tools may have no content', async () => {
  const called = [{ type: 'function', function: { name: 'f', arguments: { x: 1 } } }];
  await plain('chatml', async (c, model, family) => {
    const asked = { role: 'user', content: 'why?' };
    await c.add([asked, { role: 'assistant', content: null, tool_calls: called }]);
    const said = [asked, { role: 'assistant', content: '', tool_calls: called }];
    assert.equal(c.tokens, expected(model, family, said));
    await rejects(
      c.add([{ role: 'assistant', content: null }]),
      'OptionError',
      /found role 'assistant' and content null/,
    );
  });
});

test('a message that would be lost is refused, whatever its role, asked or added', async () => {
  const spoken = "{% if m.role == 'user' or m.role == 'assistant' %}[{{ m.content }}]{% endif %}";
  const ends = '{% if add_generation_prompt %}>{% endif %}';
  const ignores = `{% for m in messages %}${spoken}{% endfor %}${ends}`;
  for (const [source, message] of [
    [ignores, { role: 'tool', content: 'b' }],
    [ignores, { role: 'system', content: 'b' }],
    [ignores, { role: 'Narrator', content: 'b' }],
    ['{# #}', { role: 'user', content: 'b' }],
    ['the same', { role: 'user', content: 'b' }],
  ] as const) {
    using model = await loadModel(machineModel(source, metadata, tokens.length), { threads: 1 });
    using c = openConversation(model, { budget: 400, blockSize: 64, policy: 'full' });
    const lost = /template leaves out a \w+ message in place \d of \d: /;
    if (source === ignores) await c.ask('why?', { maxTokens: 1 }).text();
    const before = c.tokens;
    await rejects(c.ask(message).text(), 'OptionError', lost);
    if (message.role !== 'user') await rejects(c.add(message), 'OptionError', lost);
    assert.equal(c.tokens, before);
  }
});

test('a system message that would be lost is refused, and nothing is taken in', async () => {
  for (const name of ['vicuna', 'gemma', 'llama 2']) {
    await plain(name, async (c) => {
      await c.ask('why?', { maxTokens: 1 }).text();
      const before = c.tokens;
      await rejects(
        c.add({ role: 'system', content: 'Be short.' }),
        'OptionError',
        /template (leaves out a system message|refuses these messages)/,
      );
      await rejects(
        c.add([
          { role: 'user', content: 'b' },
          { role: 'assistant', content: 'c' },
          { role: 'system', content: 'Be short.' },
        ]),
        'OptionError',
        /template/,
      );
      assert.equal(c.tokens, before, name);
    });
  }
});

test.run();
