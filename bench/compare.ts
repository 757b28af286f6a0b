// A run of the benches beside one before. Rates follow the machine's moods; a share of a limit and
// a ratio to another engine, measured in the same minutes, do so far less, and the best of several
// passes less again: these are compared.
import type { Measurement } from './case.ts';
import { type BenchRun, format, ratioOf } from './report.ts';

/** Share of a ratio that may be lost to noise. */
export const TOLERANCE = 0.1;

/** A ratio that fell. */
export interface Fall {
  readonly group: string;
  /** What was measured, and beside which limit or engine. */
  readonly what: string;
  readonly before: number;
  readonly now: number;
}

/** What fell by more than the tolerance, of all ratios that both runs have. */
export function compareRuns(before: BenchRun, now: BenchRun): Fall[] {
  const old = new Map(before.groups.map((group) => [group.name, bestRatios(group)]));
  return now.groups.flatMap((group) =>
    [...bestRatios(group)].flatMap(([what, ratio]) => {
      const was = old.get(group.name)?.get(what);
      return was !== undefined && ratio < (1 - TOLERANCE) * was
        ? [{ group: group.name, what, before: was, now: ratio }]
        : [];
    }),
  );
}

export const describeFall = ({ group, what, before, now }: Fall): string =>
  `fell: ${group}: ${what}: ${format(before)} -> ${format(now)}`;

/** The best of each ratio in the passes of a group. */
function bestRatios({ measurements, again = [] }: BenchRun['groups'][number]): Map<string, number> {
  const best = new Map<string, number>();
  for (const [what, ratio] of [measurements, ...again].flat().flatMap(ratiosOf))
    best.set(what, Math.max(ratio, best.get(what) ?? 0));
  return best;
}

/** The share of a limit, and the ratio to each peer. */
function ratiosOf(m: Measurement): [what: string, ratio: number][] {
  const peers = (m.peers ?? []).map((p): [string, number] => [
    `${m.name}, beside ${p.name}`,
    ratioOf(m, p),
  ]);
  return m.share === undefined ? peers : [[`${m.name}, ${m.limit}`, m.share], ...peers];
}
