// Small vocabularies as files, for findings about tokenizers.
import { writeFileSync } from 'node:fs';

/** GPT-2's characters for the 256 bytes. */
const plain = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
let next = 256;
export const bytes = Array.from({ length: 256 }, (_, byte) =>
  String.fromCodePoint(plain(byte) ? byte : next++),
);

/** A GGUF file that holds a byte-level vocabulary with control tokens, and no weights. */
export function writeVocabulary(path, { name = 'a', pre = 'gpt-2', control = [] }) {
  const parts = [];
  const number = (value, size = 4) => {
    const part = Buffer.alloc(size);
    part.writeUIntLE(value, 0, Math.min(size, 6));
    parts.push(part);
  };
  const text = (value) => {
    number(Buffer.byteLength(value), 8);
    parts.push(Buffer.from(value));
  };
  const key = (label, value) => {
    text(label);
    const write = (one) => (typeof one === 'string' ? text(one) : number(one));
    const code = (one) => (typeof one === 'string' ? 8 : 5);
    if (!Array.isArray(value)) (number(code(value)), write(value));
    else {
      for (const part of [9, code(value[0])]) number(part);
      number(value.length, 8);
      value.forEach(write);
    }
  };
  const tokens = [...bytes, 'Ġa', ...control];
  parts.push(Buffer.from('GGUF'));
  (number(3), number(0, 8), number(7, 8));
  key('general.architecture', 'llama');
  key('general.name', name);
  key('tokenizer.ggml.model', 'gpt2');
  key('tokenizer.ggml.pre', pre);
  key('tokenizer.ggml.tokens', tokens);
  key(
    'tokenizer.ggml.token_type',
    tokens.map((_, id) => (id < 257 ? 1 : 3)),
  );
  key('tokenizer.ggml.merges', ['Ġ a']);
  parts.push(Buffer.alloc((32 - (Buffer.concat(parts).length % 32)) % 32));
  writeFileSync(path, Buffer.concat(parts));
}
