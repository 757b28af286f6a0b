// What a family of chat templates is to the tests: its template in the published structure, in
// words of ours, the tokens that its vocabulary has for it, and which messages it takes.
import type { ConversationOptions } from '../../../src/session/options.ts';

export interface Family {
  readonly name: string;
  readonly source: string;
  /** Texts of the tokens that begin a text and end a reply. */
  readonly bos: string;
  readonly eos: string;
  /** Control tokens of the markup, beside bos and eos; tokens of it that are text to a reader. */
  readonly control?: readonly string[];
  readonly shown?: readonly string[];
  /** A system message comes first or not at all; 'never' and 'always' say otherwise. */
  readonly system?: 'never' | 'always';
  /** User and assistant must take turns. */
  readonly strict?: boolean;
  /**
   * Where text without a role goes, at the beginning and behind a turn: docs/templates.md has it,
   * too.
   */
  readonly plain: 'system' | 'user';
  readonly later?: 'user';
  /** It takes content as a list of parts only. */
  readonly parts?: boolean;
  /** It writes calls of tools, and what they answer. */
  readonly calls?: boolean;
  readonly options?: Pick<ConversationOptions, 'tools' | 'templateVariables'>;
}

/** The day of all conversations, so that what templates say of it stays. */
export const NOW = new Date(2026, 2, 7, 15, 4, 5);

/** A tool, as templates are told of it. */
export const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'look',
      description: 'Looks for "things" <there> & ünï.',
      parameters: {
        type: 'object',
        properties: { what: { type: 'string' }, most: { type: 'integer' } },
        required: ['what'],
      },
    },
  },
];

export const IM = ['<|im_start|>', '<|im_end|>'];
