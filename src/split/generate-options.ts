// How a conversation over a cut is opened: a client's options.
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf } from '../options/table.ts';
import { generateCodecs } from './generate-frames.ts';
import { wayTable } from './options.ts';

export const generateTable = {
  /** Address of the server: ws://HOST:PORT, or wss: behind a proxy that encrypts. */
  url: wayTable.url,
  /** What a client shows to be let in. */
  token: wayTable.token,
  /** Most tokens of the conversation, prompt and reply; at most the model's. Default 2048. */
  context: option(kinds.whole(1, 1 << 24), {
    default: 2048,
    flag: 'context N',
    summary: "most tokens, the prompt's and the reply's; both sides reserve their rows",
  }),
  /** Tokens of a prompt that are sent at once. Default 256. */
  block: option(kinds.whole(1, 1 << 20), {
    default: 256,
    flag: 'block N',
    summary: 'tokens of the prompt that are sent at once',
  }),
  /** What hidden states are sent as. Default 'none': f32. */
  codec: option(kinds.oneOf(generateCodecs), {
    default: 'none',
    flag: 'codec NAME',
    summary: 'what is sent: none: f32; else few bits, a range for all, a group, or a channel',
  }),
  /** Bits a number, where channels have none of their own. Default 4. */
  bits: option(kinds.whole(1, 8), {
    default: 4,
    flag: 'bits N',
    summary: 'bits a number, with every codec but none',
  }),
  /** Bits of each channel, as gates have learned them; every codec but none takes them. */
  channelBits: option(kinds.listOf(kinds.whole(1, 8)), {
    otherwise: 'bits for all',
    summary: 'bits of each channel, learned ones',
  }),
  /** Aborts it. */
  signal: option(kinds.signal, { otherwise: 'none', summary: 'ends it early' }),
};

export interface SplitConversationOptions extends OptionsOf<typeof generateTable> {}
