// The comparison of codecs as tables of docs/split-accuracy.md.
import { bootstrapDifference, bootstrapMean, type Interval } from '../../src/eval/bootstrap.ts';
import { type ModelName, modelNames, type Trial } from './comparison.ts';

const mean = (x: readonly number[]) => x.reduce((sum, v) => sum + v, 0) / Math.max(1, x.length);
const unique = <T>(list: readonly T[]) => [...new Set(list)];

const points = (x: number) => (100 * x).toFixed(1);
const percent = ({ mean: m, low, high }: Interval) =>
  `${points(m)} (${points(low)} to ${points(high)})`;
const table = (heads: readonly string[], rows: readonly (readonly string[])[]) =>
  [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

type Kind = 'whole' | 'split';

/** Whether each question of each seed was answered rightly. */
const answersOf = (trials: readonly Trial[], kind: Kind) => trials.flatMap((t) => t[kind].right);
const lossOf = (trials: readonly Trial[], kind: Kind) =>
  mean(trials.flatMap((t) => t[kind].losses));

/** Those of the same seeds as the reference's, in its order. */
function paired(trials: readonly Trial[], reference: readonly Trial[]): [Trial[], Trial[]] {
  const pairs = reference.flatMap((one): [Trial, Trial][] => {
    const other = trials.find((t) => t.seed === one.seed && t.task === one.task);
    return other ? [[other, one]] : [];
  });
  return [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
}

function difference(trials: readonly Trial[], reference: readonly Trial[], kind: Kind): Interval {
  const [a, b] = paired(trials, reference);
  return bootstrapDifference(answersOf(a, kind), answersOf(b, kind));
}

const share = (trials: readonly Trial[], at: 0 | 1 | 2) =>
  mean(trials.map((t) => t.plainBytes[at])) / mean(trials.map((t) => t.bytes[at]));

/** Trainings whose numbers left f32, or whose loss ended above f32's highest behind its start. */
const blewUp = (trials: readonly Trial[], reference: readonly Trial[]) =>
  trials.filter((one) => {
    const f32 = reference.find(({ seed, task }) => seed === one.seed && task === one.task);
    return !one.isFinite || (f32 !== undefined && one.lastLoss > f32.highestLoss);
  }).length;

const named = (trials: readonly Trial[], codec: string, bits: number) =>
  trials.filter((t) => t.codec === codec && t.bits === bits);

/** A row a codec, of one task on one model. */
function taskTable(trials: readonly Trial[]): string {
  const reference = named(trials, 'none', 32);
  const rows = unique(trials.map(({ bits }) => bits)).flatMap((bits) =>
    unique(trials.filter((t) => t.bits === bits).map(({ codec }) => codec)).map((codec) => {
      const own = named(trials, codec, bits);
      const isReference = codec === 'none';
      return [
        ...[isReference ? 'f32' : codec, isReference ? '' : String(bits)],
        percent(bootstrapMean(answersOf(own, 'whole'))),
        isReference ? '' : percent(difference(own, reference, 'whole')),
        points(mean(answersOf(own, 'split'))),
        ...[lossOf(own, 'whole').toFixed(2), lossOf(own, 'split').toFixed(2)],
        mean(own.map(({ lastLoss }) => lastLoss)).toFixed(2),
        ...[(mean(own.map((t) => t.bytes[0])) / 1e3).toFixed(1)],
        ...[`1/${share(own, 0).toFixed(1)}`, `1/${share(own, 1).toFixed(1)}`],
        String(blewUp(own, reference)),
      ];
    }),
  );
  const heads = [
    ...['codec', 'bits', 'right, %', 'against f32, points', 'right through the cut, %'],
    ...['held-out loss', 'through the cut', 'last loss learned from', 'KB a step', 'of f32'],
    ...['second half', 'blew up'],
  ];
  return table(heads, rows);
}

/** Fixed bits that take about the bytes of learned ones, whose first steps take more. */
const RICHER = ['channel', 5] as const;

/** What one codec is ahead of another one by, all tasks together, in points. */
function aheadTable(trials: readonly Trial[]): string {
  const others = unique(trials.map(({ codec }) => codec)).filter((codec) => codec !== 'amaq');
  const rows = modelNames.flatMap((model) =>
    unique(trials.map(({ bits }) => bits))
      .filter((bits) => named(trials, 'amaq', bits).length > 0)
      .map((bits) => {
        const on = trials.filter((t) => t.model === model);
        const amaq = named(on, 'amaq', bits);
        const cells = [...others.map((codec) => [codec, bits] as const), RICHER].map(
          ([codec, at]) => {
            const reference = named(on, codec, codec === 'none' ? 32 : at);
            return reference.length === 0 ? '' : percent(difference(amaq, reference, 'whole'));
          },
        );
        return [model, String(bits), ...cells];
      }),
  );
  const heads = others.map((codec) => (codec === 'none' ? 'f32' : codec));
  return table(
    [
      'model',
      'bits',
      ...heads.map((codec) => `against ${codec}`),
      `against ${RICHER[0]} at ${RICHER[1]} bits`,
    ],
    rows,
  );
}

/** How many channels have how many bits in the end, all seeds together. */
function bitsTable(trials: readonly Trial[]): string {
  const own = trials.filter(({ codec }) => codec.startsWith('amaq') && codec !== 'amaq-moved');
  const levels = [2, 3, 4, 5, 6, 7, 8];
  const rows = unique(own.map(({ model }) => model)).flatMap((model) =>
    unique(own.map(({ task }) => task)).flatMap((task) =>
      unique(own.map(({ codec }) => codec)).flatMap((codec) =>
        unique(own.map(({ bits }) => bits)).flatMap((bits) => {
          const found = named(own, codec, bits).filter((t) => t.model === model && t.task === task);
          const all = found.flatMap(({ channelBits }) => channelBits);
          if (all.length === 0) return [];
          const counts = levels.map((b) => points(mean(all.map((one) => Number(one === b)))));
          return [[model, task, codec, String(bits), ...counts]];
        }),
      ),
    ),
  );
  return table(['model', 'task', 'codec', 'mean', ...levels.map((b) => `${b} bits, %`)], rows);
}

/** Bytes from the third epoch on, by thresholds. */
function movedTable(trials: readonly Trial[]): string {
  const rows = unique(trials.map(({ task }) => task)).flatMap((task) => {
    const on = trials.filter((t) => t.task === task);
    const reference = named(on, 'none', 32);
    return unique(on.map(({ codec }) => codec)).map((codec) => {
      const own = on.filter((t) => t.codec === codec);
      const [isReference, kind] = [codec === 'none', 'whole' as const];
      return [
        ...[task, isReference ? 'f32' : codec],
        percent(bootstrapMean(answersOf(own, kind))),
        isReference ? '' : percent(difference(own, reference, kind)),
        ...[lossOf(own, kind).toFixed(2), `1/${share(own, 0).toFixed(1)}`],
        `1/${share(own, 2).toFixed(1)}`,
      ];
    });
  });
  const heads = ['task', 'thresholds: hidden states / gradients', 'right, %'];
  const rest = ['against f32, points', 'held-out loss', 'bytes, of f32', 'from the third epoch on'];
  return table([...heads, ...rest], rows);
}

const NAMES: Readonly<Record<ModelName, string>> = {
  bundled: 'the bundled model',
  turned: 'the model with outlier channels',
};

function codecTables(trials: readonly Trial[]): string {
  return modelNames
    .flatMap((model) =>
      unique(trials.map(({ task }) => task)).flatMap((task) => {
        const own = trials.filter((t) => t.model === model && t.task === task);
        const seeds = unique(own.map(({ seed }) => seed)).length;
        const lines = own[0]?.whole.right.length ?? 0;
        const heading = `**${task}, ${NAMES[model]}** (${lines} questions, ${seeds} seeds)`;
        return own.length === 0 ? [] : [heading, taskTable(own)];
      }),
    )
    .join('\n\n');
}

/** The tables by name, of those parts that were run. */
export function tablesOf(trials: readonly Trial[]): Record<string, string> {
  const part = (name: string) => trials.filter((t) => t.part === name);
  const [all, moved, variants] = [part('codecs'), part('moved'), part('variants')];
  return {
    ...(all.length > 0 && {
      ahead: aheadTable(all),
      tasks: codecTables(all),
      bits: bitsTable(all),
    }),
    ...(moved.length > 0 && { moved: movedTable(moved) }),
    ...(variants.length > 0 && { variants: codecTables(variants) }),
  };
}
