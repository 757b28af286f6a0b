// What llama.cpp reads into the texts and types of tokens: ends of replies, special tokens by their
// spelling; files without keys; and that nothing foreign is thrown.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../src/math/rng.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import { preTokenizers } from '../../src/model/tokenizer/pre-tokenizers.ts';
import * as unicode from '../../src/model/tokenizer/unicode.ts';
import { smallLlama } from '../gguf-writer.ts';
import { metadataOf, specialsOf } from './tokenizer-files.ts';
import { pairsMetadata, textOf, tokenizerFiles } from './tokenizer-texts.ts';

const { classOf, LETTER, MARK, NUMBER, PUNCTUATION, SPACE, SYMBOL } = unicode;
const test = suite('tokenizer kinds');
const small = smallLlama().metadata;
const NORMAL = 1;
const bytes = (small['tokenizer.ggml.tokens'] as string[]).slice(0, 256);

const gpt2 = (pre: string) => ({ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': pre });

/** A byte-level tokenizer with tokens behind the 256 bytes; the first ends replies by its id. */
function withTokens(
  texts: readonly string[],
  more: Record<string, unknown> = {},
): { tokenizer: Tokenizer; id: (text: string) => number } {
  const metadata = {
    ...small,
    'tokenizer.ggml.merges': ['t h'],
    'tokenizer.ggml.tokens': [...bytes, 'th', ...texts],
    'tokenizer.ggml.token_type': [...bytes, 'th', ...texts].map(() => NORMAL),
    'tokenizer.ggml.eos_token_id': 257,
    ...more,
  };
  return { tokenizer: createTokenizer(metadata, 'small'), id: (text) => 257 + texts.indexOf(text) };
}

test('texts that end a reply do, whatever their type, and are one token that is not shown', () => {
  const ends = [
    '<|eot_id|> <|im_end|> <|end|> <|return|> <|flush|> <end_of_turn> <|endoftext|> </s>',
    '<|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|>',
    '<｜end▁of▁sentence｜> [e~[ <|call|> <|calls|>',
    '<|tool_response> <|fim_pad|> <|repo_name|> <|file_sep|>',
  ].map((texts) => texts.split(' '));
  for (const texts of ends) {
    const { tokenizer, id } = withTokens(['<own>', ...texts]);
    assert.equal([...tokenizer.endTokens].sort(), ['<own>', ...texts].map(id).sort());
    for (const text of texts) {
      assert.equal(tokenizer.encode(`a${text}b`), [97, id(text), 98], text);
      assert.is(tokenizer.decode([97, id(text), 98]), 'ab');
      assert.is(tokenizer.decode([97, id(text), 98], true), `a${text}b`);
    }
  }
  const { tokenizer, id } = withTokens(['<own>', '<|fim_prefix|>', '<|not_an_end|>']);
  assert.equal([...tokenizer.endTokens], [id('<own>')]);
  assert.is(tokenizer.encode('<|fim_prefix|>').length, 1, 'special by its spelling, no end');
  assert.ok(tokenizer.encode('<|not_an_end|>').length > 1);
});
test('<|end|> ends no reply where messages end otherwise, </s> none beside <|tool_response>', () => {
  for (const texts of [
    ['<own>', '<|return|>', '<|call|>', '<|end|>'],
    ['<own>', '<|flush|>', '<|calls|>', '<|end|>'],
  ]) {
    const { tokenizer, id } = withTokens(texts);
    assert.not.ok(tokenizer.endTokens.has(id('<|end|>')));
    assert.is(tokenizer.endTokens.size, 3);
    assert.is(tokenizer.decode([id('<|end|>')]), '');
  }
  for (const texts of [
    ['<own>', '<|return|>', '<|end|>'],
    ['<own>', '<|call|>', '<|end|>'],
  ]) {
    const { tokenizer, id } = withTokens(texts);
    assert.ok(tokenizer.endTokens.has(id('<|end|>')));
  }
  // the file's own end
  const { tokenizer, id } = withTokens(['</s>', '<|tool_response>']);
  assert.equal([...tokenizer.endTokens], [id('<|tool_response>')]);
  assert.ok(tokenizer.encode('</s>').length > 1, 'no special token any more');
});
test('ends by id: eot, eom, fim_pad', () => {
  const { tokenizer } = withTokens(['<own>', '<a>', '<b>', '<c>'], {
    'tokenizer.ggml.eot_token_id': 258,
    'tokenizer.ggml.eom_token_id': 259,
    'tokenizer.ggml.fim_pad_token_id': 260,
  });
  assert.equal([...tokenizer.endTokens].sort(), [257, 258, 259, 260]);
});
test('names of one pre-tokenizer are one; a file without a name has the default', () => {
  const same = (...names: string[]) =>
    assert.is(new Set(names.map((name) => preTokenizers.get(name))).size, 1, names.join());
  same('qwen2', 'deepseek-r1-qwen', 'stablelm2', 'hunyuan', 'megrez', 'kormo', 'solar-open');
  same('llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'pixtral', 'falcon-h1', 'lfm2');
  same('smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone');
  same('gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'gigachat', 'exaone4');
  const text = 'Hello 12345!?\n\n  x';
  const of = (pre: unknown) =>
    withTokens(['<own>'], { 'tokenizer.ggml.pre': pre }).tokenizer.encode(text);
  assert.equal(of(undefined), of('default'));
  assert.ok(withTokens(['<own>'], { 'tokenizer.ggml.pre': 'llama3' }).tokenizer.addBos);
});
test('kimi-k2 needs no merges; others do', () => {
  const without = (pre: string) => {
    const { 'tokenizer.ggml.merges': _, ...rest } = pairsMetadata(pre);
    return () => createTokenizer(rest, 'without');
  };
  assert.is(without('kimi-k2')().encode('今a').length, 4);
  assert.throws(without('qwen2'), /merges' is missing/);
  assert.throws(without('gemma4'), /merges' is missing/);
});
test('characters have the classes that llama.cpp gives them', () => {
  const counts = new Map<number, number>();
  for (let c = 0; c <= 0x10ffff; c++) counts.set(classOf(c), (counts.get(classOf(c)) ?? 0) + 1);
  // counted in llama.cpp v0.5.0, table by table; surrogates are there too
  const numbers = [NUMBER, LETTER, PUNCTUATION, MARK, SYMBOL, SPACE].map((c) => counts.get(c));
  assert.equal(numbers, [1831, 136726, 842, 2450, 7775, 25]);
});
test('units that stand for other characters are those characters nowhere', () => {
  const { encode } = createTokenizer(pairsMetadata('deepseek-llm'), 'pairs');
  const alone = (c: string) => [...encode('é'), ...encode(c), ...encode('ß')];
  for (const c of ['\ue001', '\ufffe', '\uffff']) assert.equal(encode(`é${c}ß`), alone(c));
  const cased = Array.from({ length: 20 }, (_, i) => String.fromCodePoint(0x10400 + i));
  const joins = (c: string) => encode(`é${c}ß`).join() !== alone(c).join();
  assert.ok(cased.some(joins), 'letters with case are in the word');
});
test('gemma4: a BOS whatever the file says; line ends that are a token; no ids of its own', () => {
  const metadata = pairsMetadata('gemma4');
  const tokenizer = createTokenizer({ ...metadata, 'tokenizer.ggml.add_bos_token': false }, 'g');
  assert.is(tokenizer.addBos, true);
  assert.is(tokenizer.bosToken, undefined);
  assert.is(tokenizer.endTokens.size, 0);
  const five = metadata['tokenizer.ggml.tokens'].indexOf('\n\n\n\n\n');
  assert.equal(tokenizer.encode(`a${'\n'.repeat(5)}a`)[1], five);
  const sarvam = createTokenizer({ ...metadata, ...gpt2('sarvam-moe') }, 's');
  assert.not.ok(sarvam.encode('\n'.repeat(5)).includes(five));
  assert.is(sarvam.addBos, false);
  const named = createTokenizer({ ...metadata, ...gpt2('granite-embed-multi-311m') }, 'n');
  assert.equal(named.encode(`a${'\n'.repeat(5)}a`)[1], five);
  assert.is(tokenizer.decode(tokenizer.encode(' a  b\n\nЖ ')), ' a  b\n\nЖ ');
});
test('tokens of unknown type are special; unused ones are not shown; empty ones are called by number', () => {
  const types = [...bytes.map(() => NORMAL), NORMAL, 3, 2, 5, 3];
  const { tokenizer } = withTokens(['<own>', '<unk>', '[PAD9]', ''], {
    'tokenizer.ggml.token_type': types,
  });
  assert.equal(tokenizer.encode('<unk>'), [258]);
  assert.is(tokenizer.decode([97, 259, 97]), 'aa');
  assert.equal(tokenizer.encode('[EMPTY_260]'), [260]);
});
test('SentencePiece: its own ids where a file names none, unknown characters without bytes, no space behind text', async () => {
  const whole = await metadataOf('test/fixtures/tokenizers/spm.gguf');
  const {
    'tokenizer.ggml.bos_token_id': _bos,
    'tokenizer.ggml.eos_token_id': _eos,
    ...rest
  } = whole;
  const tokenizer = createTokenizer(rest, 'spm');
  assert.is(tokenizer.bosToken, 1);
  assert.ok(tokenizer.endTokens.has(2));
  const texts = whole['tokenizer.ggml.tokens'] as string[];
  const bare = createTokenizer(
    { ...whole, 'tokenizer.ggml.tokens': texts.map((text) => text.replace(/^<0x/, '<0y')) },
    'bare',
  );
  const unknown = bare.encode('a€€b').filter((t) => t === 0).length;
  assert.is(unknown, 1, 'neighbours are one unknown token');
  const space = texts.indexOf('▁');
  assert.not.ok(tokenizer.encode('a\nb').includes(space), 'a line has no space in front');
});

for (const file of tokenizerFiles) {
  test(`${file}: there and back; a stream gives the same text, no character cut`, async () => {
    const metadata = await metadataOf(file);
    const tokenizer = createTokenizer(metadata, file);
    const specials = specialsOf(metadata);
    const vocabulary = (metadata['tokenizer.ggml.tokens'] as string[]).length;
    const random = createRandom(3);
    for (let seed = 0; seed < 500; seed++) {
      const text = textOf(seed, specials);
      const tokens = tokenizer.encode(text);
      const spaced = 'tokenizer.ggml.scores' in metadata ? text.replaceAll('▁', ' ') : text;
      assert.is(tokenizer.decode(tokens, true), spaced);
      // what a model may say: any tokens in any order
      const wild = Array.from({ length: 60 }, () => Math.floor(random() * vocabulary));
      for (const list of [tokens, wild]) {
        const stream = tokenizer.stream();
        const pieces = list.map((token) => stream.push(token));
        assert.is(pieces.join('') + stream.end(), tokenizer.decode(list));
        for (const piece of pieces) assert.ok(!/[\ud800-\udbff]$|^[\udc00-\udfff]/.test(piece));
      }
    }
  });
}
test('halves of surrogate pairs, NUL and other types of input', async () => {
  for (const file of tokenizerFiles) {
    const tokenizer = createTokenizer(await metadataOf(file), file);
    for (const text of ['\ud83d', 'a\udc00b', '\ud83d\ud83d\ude00\ude00', '\ud83d<', ' \udfff ']) {
      assert.equal(tokenizer.encode(text), tokenizer.encode(Buffer.from(text).toString()));
      for (let at = 0; at <= text.length; at++) {
        for (const whole of [text, `${text.slice(0, at)}\ude00x`, `${text.slice(0, at)}y`]) {
          const b = tokenizer.boundary(text, at);
          assert.equal(
            [...tokenizer.encode(whole.slice(0, b)), ...tokenizer.encodeFrom(whole, b)],
            tokenizer.encode(whole),
          );
        }
      }
    }
    assert.is(tokenizer.decode(tokenizer.encode('a\0b')), 'a\0b');
    assert.is(tokenizer.decode(tokenizer.encode('\ufeffa\ufeff')), '\ufeffa\ufeff');
    assert.equal(tokenizer.encode(''), []);
    const refused = (run: () => unknown, message: RegExp) =>
      assert.throws(run, (e: Error) => e.name === 'OptionError' && message.test(e.message));
    for (const input of [undefined, null, 5, {}, ['a'], Symbol('a')])
      refused(() => tokenizer.encode(input as string), /expected a string/);
    for (const at of [-1, 4, 0.5, NaN, '1'])
      refused(() => tokenizer.boundary('abc', at as number), /expected a place/);
    for (const token of [-1, 1e9, 0.5, NaN, undefined, '1'])
      refused(() => tokenizer.decode([token as number]), /expected a whole number/);
  }
});
test('tables that do not fit are refused', () => {
  const refused = (more: Record<string, unknown>, message: RegExp) =>
    assert.throws(
      () => withTokens(['<own>'], more),
      (e: Error) => e.name === 'ModelFormatError' && message.test(e.message),
    );
  refused({ 'tokenizer.ggml.merges': ['t h', 'th'] }, /merge 1 is 'th', expected two texts/);
  refused({ 'tokenizer.ggml.merges': [5] }, /merge 0 is 5/);
  refused({ 'tokenizer.ggml.eos_token_id': 0.5 }, /eos_token_id/);
  refused(
    { 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.scores': [1, 2] },
    /2 scores for 258 tokens/,
  );
});
test.run();
