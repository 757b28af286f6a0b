// What is said in the conversations of the tests, and its whole rendering. The same text comes from
// the same seed, so that another implementation of Jinja can be asked for the same conversations
// (scripts/template-fixtures.mjs).
import { createRandom } from '../../../src/math/rng.ts';
import type { Message } from '../../../src/model/chat-template.ts';
import { readTemplate, type Render } from '../../../src/model/jinja.ts';
import { type Family, NOW } from './family.ts';

export type Random = () => number;
export type Said = Message & { readonly content: string };

export const whole = (random: Random, least: number, most: number) =>
  least + Math.floor(random() * (most - least + 1));

const words = ['the', 'he', 'Rex', '\n', '\n\n', ' ', '  ', '.', 'ünï', '\u4f60', '\u{1f600}'];
words.push('7', "don't", '\t', '</think>', '<think>', '/no_think', '"\\', '<b> & {{ x }}', 'False');
/** White space to Python, or to JavaScript, or to both. */
const blanks = [' ', '\n', '\n\n', '  ', '\ufeff', '\u0085', '\u00a0', '\u001f'];

/** Some words, often with white space around them. */
export function contentOf(random: Random): string {
  const count = whole(random, 0, 6);
  const inner = Array.from({ length: count }, () => words[whole(random, 0, words.length - 1)]);
  const edge = () => (random() < 0.15 ? blanks[whole(random, 0, blanks.length - 1)] : '');
  return `${edge()}a${inner.join(random() < 0.5 ? ' ' : '')}z${edge()}`;
}

/** What is said to a family's template: some turns, each with an answer. */
export function conversationOf(family: Family, seed: number): Said[] {
  const random = createRandom(seed);
  const said: Said[] = [];
  const { system } = family;
  if (system === 'always' || (system === undefined && random() < 0.5))
    said.push({ role: 'system', content: contentOf(random) });
  for (let turn = whole(random, 1, 5) >> 1 || 1; turn > 0; turn--) {
    said.push({ role: 'user', content: contentOf(random) });
    if (family.calls && random() < 0.3) {
      const call = { name: 'look', arguments: { what: contentOf(random), most: 3, deep: [null] } };
      said.push(
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'abcdefghi', type: 'function', function: call }],
        },
        { role: 'tool', content: contentOf(random), tool_call_id: 'abcdefghi', name: 'look' },
      );
    }
    said.push({ role: 'assistant', content: contentOf(random) });
  }
  return said;
}

/** What a family's template is given, in plain JSON but for the day. */
export function variablesOf(family: Family, said: readonly Said[], reply: boolean): object {
  const messages = family.parts
    ? said.map((m) => ({ ...m, content: [{ type: 'text', text: m.content }] }))
    : said;
  return {
    ...(family.options?.tools && { tools: family.options.tools }),
    ...family.options?.templateVariables,
    messages,
    add_generation_prompt: reply,
    bos_token: family.bos,
    eos_token: family.eos,
  };
}

const renders = new Map<Family, Render>();

/** Everything said, rendered at once; undefined where the template refuses it so far. */
export function renderingOf(
  family: Family,
  said: readonly Said[],
  reply: boolean,
): string | undefined {
  let render = renders.get(family);
  if (!render) renders.set(family, (render = readTemplate(family.source, family.name)));
  try {
    return render(variablesOf(family, said, reply) as Record<string, unknown>, NOW);
  } catch {
    return undefined;
  }
}

/** Renderings of a conversation that another implementation is asked for, too. */
export function momentsOf(said: readonly Said[], seed: number): [readonly Said[], boolean][] {
  const cut = whole(createRandom(seed + 1e6), 1, said.length);
  return [
    [said, false],
    [said.slice(0, -1), true],
    [said.slice(0, cut), seed % 2 === 0],
  ];
}

export const CONVERSATIONS = 200;
/** As many conversations share a hash in the fixture. */
export const CONVERSATIONS_A_HASH = 4;

/** Of UTF-16 units (FNV-1a), going on from another hash; a refusal counts as a text of its own. */
export function hashText(text: string | undefined, hash: number): number {
  let h = Math.imul(hash ^ (text === undefined ? 1 : 2), 0x01000193);
  for (let i = 0; i < (text ?? '').length; i++) h = Math.imul(h ^ text!.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** The hashes of all renderings of a family, in base64. */
export function hashesOf(texts: readonly (string | null | undefined)[]): string {
  const words = new Uint32Array(CONVERSATIONS / CONVERSATIONS_A_HASH);
  const each = (texts.length / CONVERSATIONS) * CONVERSATIONS_A_HASH;
  for (const [i, text] of texts.entries()) {
    const at = Math.floor(i / each);
    words[at] = hashText(text ?? undefined, words[at]);
  }
  return Buffer.from(words.buffer).toString('base64');
}
