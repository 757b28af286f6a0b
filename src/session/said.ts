// What was said, as records: messages, and the text that stands outside of them. Records are
// replaced, never changed.
import type { Message } from '../model/chat-template.ts';

/**
 * Text that stands outside of any message, behind `chars` characters of what the template makes of
 * the messages.
 */
export interface Raw {
  readonly chars: number;
  readonly text: string;
}

/** Text without a role that is still being added to. */
export interface Open {
  /** Whether it is a system message's, or waits for the next user message. */
  readonly place: 'system' | 'user';
  /** The whole text before it. */
  readonly before: string;
  readonly text: string;
}

/** What was said. */
export interface Said {
  readonly messages: readonly Message[];
  readonly raws: readonly Raw[];
  readonly open?: Open;
}

export const nothingSaid: Said = { messages: [], raws: [] };
