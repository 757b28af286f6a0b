// What a client's way to a server is opened with.
import type { MessageOf } from './messages.ts';

/** What of a greeting is the link's own. */
type Own = 'session' | 'run' | 'step' | 'asked' | 'received';

type Greeting<K extends 'hello' | 'open'> = Omit<MessageOf<K>, Own>;

export interface LinkOptions {
  /** Addresses of servers, commas between them, that are tried in turn. */
  readonly url: string;
  /** What the client is. */
  readonly hello: Greeting<'hello'> | Greeting<'open'>;
  /** A training that goes on behind some steps, where it was last. */
  readonly session?: Place;
  /** Most bytes of an answer. */
  readonly mostBytes: number;
  readonly signal?: AbortSignal;
}

/** Where a training is. */
export interface Place {
  readonly id: string;
  readonly url: string;
  readonly step: number;
}

/** What went over the line, all overhead of messages counted. */
export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Of what was received: signs of life, which come by the clock. */
  readonly lifeBytes: number;
  /** Connections after the first. */
  readonly reconnects: number;
}
