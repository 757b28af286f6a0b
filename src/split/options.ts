// How a split training is run: the options of both sides.
import { OptionError } from '../errors.ts';
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf, without } from '../options/table.ts';
import { codecTable, type SplitCodecOptions } from './codec-options.ts';
import type { WayReport } from './report.ts';
import { type TrainOptions, trainTable } from '../train/options.ts';

const sides = ['server', 'client'] as const;
const SECONDS = kinds.number(0.001, 1e6);

/** What both sides must say alike. */
export const cutTable = {
  /** Layers of the client: the embedding and the first ones. */
  cut: option(kinds.whole(0, 1e6), {
    isRequired: true,
    flag: 'cut C',
    summary: "layers of the client, the first ones; the server's are the rest",
  }),
  /** Who has the labels, and the model's head with them. Default 'server'. */
  labels: option(kinds.oneOf(sides), {
    default: 'server',
    flag: 'labels SIDE',
    summary: "who has the labels, and the model's head; client: U-shaped, they stay there",
  }),
};

export interface CutOptions extends OptionsOf<typeof cutTable> {}

const token = option(kinds.filledText, {
  isRequired: true,
  flag: 'token T',
  summary: 'what a client shows to be let in',
});

export const serveTable = {
  token,
  /** Most clients whose trainings are held. Default 32. */
  clients: option(kinds.whole(1, 1e4), {
    default: 32,
    flag: 'clients N',
    summary: 'most clients',
  }),
  /** Most tokens of a batch. Default 512. */
  tokens: option(kinds.whole(1, 1 << 20), {
    default: 512,
    flag: 'tokens N',
    summary: 'most tokens of a batch, a line among them',
  }),
  /** Highest rank of a client's adapter. Default 16. */
  rank: option(kinds.whole(1, 1024), {
    default: 16,
    flag: 'rank R',
    summary: "highest rank of a client's adapter",
  }),
  /** Most bytes beside the model. Default 1 GB. */
  memory: option(kinds.bytes('1GB'), {
    default: 1 << 30,
    otherwise: '1GB',
    flag: 'memory B',
    summary: 'most bytes that clients take beside the model',
  }),
  /** Questions of a client under way at once. Default 4. */
  window: option(kinds.whole(1, 64), {
    default: 4,
    flag: 'window N',
    summary: "a client's batches under way at once, at most",
  }),
  /** Seconds after which a client that takes no answer is cut off. Default 60. */
  stall: option(SECONDS, {
    default: 60,
    flag: 'stall S',
    summary: 'seconds after which a client that takes no answer is cut off',
  }),
  /** Seconds after which the training of a client that is away ends. Default 600. */
  lease: option(SECONDS, {
    default: 600,
    flag: 'lease S',
    summary: 'seconds after which the training of a client that is away ends',
  }),
  /** Where trainings are kept, so that they outlive the server. */
  store: option(kinds.filledText, {
    flag: 'store PLACE',
    summary: 'where trainings are kept: a folder, or redis://HOST:PORT; servers may share it',
  }),
};

const ADDRESSES = 'ws://HOST:PORT or wss://HOST, several with commas between them';

/** Checked before a model is read: another scheme would be tried as if no server answered there. */
const addresses = kinds.custom<string>(ADDRESSES, (name, value) => {
  const text = kinds.filledText.check(name, value);
  for (const one of text.split(',').map((part) => part.trim()))
    if (!/^wss?:\/\//i.test(one) || !URL.canParse(one))
      throw new OptionError(
        `${name} has '${one}', which is no address of a server: expected ${ADDRESSES}`,
      );
  return text;
});

/** The way to the server. */
export const wayTable = {
  /**
   * Address of the server: ws://HOST:PORT, or wss: behind a proxy that encrypts. Several, commas
   * between them: servers with one store, of which another goes on where one is lost.
   */
  url: option(addresses, {
    isRequired: true,
    flag: 'url URL',
    summary: 'the server: ws://HOST:PORT, or wss://...; A,B: several with one store',
  }),
  token,
  /** Batches on their way at once: both sides compute while others travel. Default 2. */
  depth: option(kinds.whole(1, 64), {
    default: 2,
    flag: 'depth N',
    summary: 'batches on their way at once; each takes room of its own',
  }),
  /** Called after each step, with bytes and bits so far. */
  onWay: option(kinds.callback<(report: WayReport) => void>(), {
    summary: 'called after each step, with bytes and bits so far',
  }),
};

/** What a client trains with: the way to the server, what goes on it, and train()'s options. */
export const splitTrainTable = {
  ...wayTable,
  ...codecTable,
  ...without(trainTable, 'method'),
};

export interface SplitTrainOptions
  extends OptionsOf<typeof wayTable>, SplitCodecOptions, Omit<TrainOptions, 'method'> {}
