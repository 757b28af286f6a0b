// The privacy bench's measurements: each attack on each cut, coding and text, with the share of
// tokens that it guesses.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bootstrapMean, type Interval } from '../../src/eval/bootstrap.ts';
import { CodecEnd } from '../../src/split/codec/codec.ts';
import type { CodecOptions } from '../../src/split/codec/options.ts';
import { Gates } from '../../src/split/codec/gates.ts';
import type { HalfModel } from '../../src/split/load.ts';
import type { Example } from '../../src/train/batches.ts';
import {
  type Attack,
  embeddingsOf,
  linearMap,
  nearestRow,
  ownLayers,
  type Received,
} from './inversion.ts';
import { BATCH_TOKENS, examplesFrom, type Heard, ListenedTraining } from './listening.ts';
import { privateLines } from './texts.ts';

const root = new URL('../../../../', import.meta.url);
const textOf = (file: string) => readFileSync(new URL(file, root), 'utf8');
export const MODEL = fileURLToPath(new URL('models/recollect-tiny.gguf', root));

/** How numbers travel: f32, fixed bits with a range a channel, or learned bits. */
export const codings = ['f32', '8', '4', '3', '2', 'amaq 4'] as const;
export type Coding = (typeof codings)[number];
export const attacks = ['nearest', 'linear', 'layers', 'layers, trained'] as const;

/** What attacks are tried on. */
export const textNames = ['prose', 'conversations'] as const;
type TextName = (typeof textNames)[number];

export interface Guessed {
  readonly text: TextName;
  readonly cut: number;
  readonly coding: Coding;
  readonly attack: (typeof attacks)[number];
  /** Share of tokens guessed, one number a line, and their mean with a 95% interval over lines. */
  readonly share: Interval;
}

export interface PrivacyRun {
  /** `chance`: what always saying the text's commonest token guesses. */
  readonly texts: readonly { name: TextName; tokens: number; chance: number }[];
  readonly guesses: readonly Guessed[];
}

/** How much is measured. */
export interface PrivacySize {
  readonly cuts: readonly number[];
  readonly codings: readonly Coding[];
  readonly texts: readonly TextName[];
  readonly lines: number;
  /** Tokens that the linear map is fitted on; steps of the client's training. */
  readonly known: number;
  readonly steps: number;
  /** Most tokens that a server with the client's layers tries, without and with an adapter. */
  readonly tries: readonly [untrained: number, trained: number];
}

export const everything: PrivacySize = {
  cuts: [0, 1, 2, 3],
  codings,
  texts: textNames,
  lines: 8,
  known: 16384,
  steps: 60,
  tries: [2048, 256],
};

const LINE_TOKENS = 33;
const KNOWN_LINE_TOKENS = 64;

const turnsOf = (file: string): string[] =>
  textOf(file)
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { turns: { line: string }[] }).turns)
    .map((turns) => turns.map(({ line }) => line).join(''));

/** Pieces of a text of `length` tokens each, `count` of them, evenly over it. */
function piecesOf(tokens: readonly number[], length: number, count: number): number[][] {
  const stride = Math.max(length, Math.floor(tokens.length / count));
  return Array.from({ length: count }, (_, i) =>
    tokens.slice(i * stride, i * stride + length),
  ).filter((piece) => piece.length > 1);
}

/** Lines that clients train on, as examples; the model was trained on none of them. */
function privateExamples({ tokenizer }: HalfModel, text: TextName, lines: number): Example[] {
  if (text === 'prose')
    return examplesFrom(
      privateLines.slice(0, lines).map((line) => tokenizer.encode(line).slice(0, LINE_TOKENS)),
    );
  const all = tokenizer.encode(turnsOf('models/conv-2k.jsonl').join(''));
  return examplesFrom(piecesOf(all, LINE_TOKENS, lines));
}

/** Lines that the server knows: other conversations, and prose of this project. */
function knownExamples({ tokenizer }: HalfModel, tokens: number): Example[] {
  const texts = [
    turnsOf('models/conv-16k.jsonl').join(''),
    ['docs/loading.md', 'docs/algorithms.md', 'CONTRIBUTING.md'].map(textOf).join('\n'),
  ];
  const count = Math.ceil(tokens / texts.length / KNOWN_LINE_TOKENS);
  return examplesFrom(
    texts.flatMap((text) => piecesOf(tokenizer.encode(text), KNOWN_LINE_TOKENS, count)),
  );
}

const isBits = (coding: Coding): coding is '8' | '4' | '3' | '2' => /^\d$/.test(coding);

function optionsOf(coding: Coding): CodecOptions {
  if (coding === 'f32') return { codec: 'none' };
  return isBits(coding) ? { codec: 'channel', bits: Number(coding) } : { codec: 'amaq' };
}

/** Grid of exact numbers, as a share of a channel's range: sums of another order. */
const F32_STEP = 2 ** -12;

/** What a micro-batch is behind the wire. */
function receive({ x, sequences }: Heard, coding: Coding, learned: Uint8Array): Received {
  const D = learned.length;
  const shape = { width: D, mostTokens: BATCH_TOKENS };
  const [client, server] = [0, 1].map(() => new CodecEnd(optionsOf(coding), shape));
  if (coding === 'amaq 4') client.setBits(learned);
  const samples = sequences.map(({ count }, id) => ({ id, count }));
  const name = { kind: 'activations', step: 0, microBatch: 0, samples } as const;
  const back = server.decode(client.encode(x, name), name);
  const halfSteps = Float64Array.from(server.bits, (bits, c) => {
    let [lo, hi] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = c; i < back.length; i += D)
      [lo, hi] = [Math.min(lo, back[i]), Math.max(hi, back[i])];
    const step = coding === 'f32' ? F32_STEP : 1 / (2 ** bits - 1);
    // lo and hi travel as f16
    const half = coding === 'f32' ? 0 : Math.max(-lo, hi, 0) / 2 ** 11;
    return Math.max(((hi - lo) * step) / 2 + half, 1e-9);
  });
  return { x: back, halfSteps, isFine: coding === 'f32' || coding === '8', sequences };
}

/** Shares of the tokens of each line that an attack guesses. */
async function sharesOf(
  attack: Attack,
  heard: readonly Heard[],
  coding: Coding,
  learned: Uint8Array,
): Promise<number[]> {
  const shares: number[] = [];
  for (const batch of heard) {
    const guesses = await attack(receive(batch, coding, learned));
    for (const { from, count } of batch.sequences) {
      const right = guesses
        .slice(from, from + count)
        .filter((g, t) => g === batch.tokens[from + t]);
      shares.push(right.length / count);
    }
  }
  return shares;
}

function commonest(heard: readonly Heard[]): { tokens: number; chance: number } {
  const counts = new Map<number, number>();
  const all = heard.flatMap(({ tokens }) => [...tokens]);
  for (const token of all) counts.set(token, (counts.get(token) ?? 0) + 1);
  return { tokens: all.length, chance: Math.max(...counts.values()) / all.length };
}

/** All attacks on a text at a cut: what comes of its first step, and of a step behind a training. */
async function guessText(
  text: TextName,
  cut: number,
  size: PrivacySize,
  report: (one: Guessed) => void,
): Promise<{ tokens: number; chance: number }> {
  const training = await ListenedTraining.open(MODEL, cut);
  try {
    const { client } = training;
    const { width: D } = client.config;
    const examples = privateExamples(client, text, size.lines);
    const table = await embeddingsOf(client);
    const linear = linearMap(table, D, await training.hear(knownExamples(client, size.known)));
    const first = await training.hear(examples);
    const gates = new Gates(D, { target: 4, freezeAt: size.steps });
    await training.train(examples, size.steps, gates);
    const later = await training.hear(examples);
    const [own, others] = size.tries.map((n) => ownLayers(client, table, linear.embed, n));
    const tried: [Guessed['attack'], Attack, Heard[]][] = [
      ['nearest', nearestRow(table, D), first],
      ['linear', linear.attack, first],
    ];
    // a client without layers has none to be run, and none that train
    if (cut > 0) tried.push(['layers', own, first], ['layers, trained', others, later]);
    for (const coding of size.codings)
      for (const [attack, guess, heard] of tried) {
        const shares = await sharesOf(guess, heard, coding, gates.whole);
        report({ text, cut, coding, attack, share: bootstrapMean(shares) });
      }
    return commonest(first);
  } finally {
    training.dispose();
  }
}

export async function guessAll(
  size: PrivacySize,
  onGuessed: (one: Guessed) => void = () => {},
): Promise<PrivacyRun> {
  const guesses: Guessed[] = [];
  const counted: PrivacyRun['texts'][number][] = [];
  for (const text of size.texts)
    for (const cut of size.cuts) {
      const report = (one: Guessed) => {
        guesses.push(one);
        onGuessed(one);
      };
      const { tokens, chance } = await guessText(text, cut, size, report);
      if (counted.every(({ name }) => name !== text)) counted.push({ name: text, tokens, chance });
    }
  return { texts: counted, guesses };
}
