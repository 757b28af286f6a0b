// The tables of docs/split-accuracy.md, from what was measured.
import { bootstrapDifference, bootstrapMean, type Interval } from '../../src/eval/bootstrap.ts';
import type { ChannelRanges } from './ranges.ts';
import type { TrialResult } from './trial.ts';

export interface Line extends TrialResult {
  readonly model: string;
  readonly task: string;
  readonly seed: number;
  readonly bits: number;
  readonly codec: string;
  /** Where what is sent at the end is that from the third epoch on: of how many. */
  readonly epochs?: number;
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const points = (x: number) => `${x < 0 ? '-' : '+'}${Math.abs(100 * x).toFixed(1)}`;
const within = ({ mean: m, low, high }: Interval) =>
  `${points(m)} (${points(low)} to ${points(high)})`;
const unique = <T>(list: readonly T[]) => [...new Set(list)];

/** A codec's answers, in one order of seeds and questions. */
const rightOf = (lines: readonly Line[]) => lines.flatMap(({ right }) => right);

/** What of each step belongs to the end: the last quarter, or all from the third epoch on. */
const endOf = ({ epochs }: Line, numbers: readonly number[]) =>
  numbers.slice(Math.floor(numbers.length * (epochs === undefined ? 0.75 : 2 / epochs)));

/** A row: a codec's lines beside full precision's and those of AMAQ at the same bits. */
function row(lines: readonly Line[], plain: readonly Line[], amaq: readonly Line[]): string {
  const { codec, bits } = lines[0];
  const own = rightOf(lines);
  const isAmaq = codec === 'amaq' || codec === 'none';
  const steps = lines.flatMap(({ bytes }) => bytes);
  const last = lines.flatMap((line) => endOf(line, line.bytes));
  const lastPlain = lines.flatMap((line) => endOf(line, line.plainBytes));
  const blown = lines.filter(
    ({ isWhole, losses }) => !isWhole || !(mean(losses.slice(-5)) < losses[0]),
  );
  const ratio = (bytes: readonly number[], of: readonly number[]) =>
    `1/${(sum(of) / sum(bytes)).toFixed(1)}`;
  return `| ${[
    codec === 'none' ? 'f32' : `${bits}`,
    codec,
    `${(100 * bootstrapMean(own).mean).toFixed(1)}`,
    codec === 'none' ? '' : within(bootstrapDifference(own, rightOf(plain))),
    isAmaq || amaq.length === 0 ? '' : within(bootstrapDifference(rightOf(amaq), own)),
    mean(lines.flatMap(({ heldOut }) => heldOut)).toFixed(3),
    mean(steps).toFixed(0),
    ratio(
      steps,
      lines.flatMap(({ plainBytes }) => plainBytes),
    ),
    ratio(last, lastPlain),
    `${blown.length}`,
  ].join(' | ')} |`;
}

function table(lines: readonly Line[], model: string, task: string): string {
  const own = lines.filter((line) => line.model === model && line.task === task);
  const of = (codec: string, bits: number) =>
    own.filter((line) => line.codec === codec && line.bits === bits);
  const plain = of('none', 32);
  // seeds that a run did not come to the end of are left out of all codecs
  const whole = unique(plain.map(({ seed }) => seed)).filter(
    (seed) =>
      own.filter((line) => line.seed === seed).length ===
      Math.max(
        ...unique(own.map((o) => o.seed)).map((s) => own.filter((o) => o.seed === s).length),
      ),
  );
  const kept = (some: readonly Line[]) => some.filter(({ seed }) => whole.includes(seed));
  const rows = unique(own.map(({ codec, bits }) => `${bits} ${codec}`)).map((name) => {
    const [, bits, codec] = /^(\d+) (.*)$/.exec(name)!;
    return row(kept(of(codec, Number(bits))), kept(plain), kept(of('amaq', Number(bits))));
  });
  const questions = rightOf(kept(plain)).length;
  return [
    `### ${model} model, ${task}: ${whole.length} seeds, ${questions} questions`,
    '',
    '| bits | codec | right, % | beside f32 | amaq beside it | loss | bytes a step | of f32 | at the end | blown up |',
    '| --- | --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

export function rangesTable(
  ranges: readonly { model: string; cut: number; ranges: ChannelRanges }[],
): string {
  const rows = ranges.map(({ model, cut, ranges: { ranges: all, ratio, kurtosis } }) => {
    const sorted = [...all].sort((a, b) => b - a);
    const [top, middle, least] = [0, sorted.length >> 1, sorted.length - 1].map((i) =>
      sorted[i].toPrecision(3),
    );
    return `| ${[model, cut, top, middle, least, ratio.toFixed(2), kurtosis.toFixed(1)].join(' | ')} |`;
  });
  return [
    '| model | cut | largest range | median | least | largest to median | excess kurtosis |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

export function accuracyPage(
  lines: readonly Line[],
  ranges: Parameters<typeof rangesTable>[0],
): string {
  const pairs = unique(lines.map(({ model, task }) => `${model}|${task}`));
  const tables = pairs.map((pair) => table(lines, ...(pair.split('|') as [string, string])));
  return ['### Ranges', '', rangesTable(ranges), '', ...tables.flatMap((one) => [one, ''])].join(
    '\n',
  );
}
