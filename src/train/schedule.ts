// How fast is learned at which step.
export const schedules = ['constant', 'linear', 'cosine'] as const;
export type Schedule = (typeof schedules)[number];

export interface Pace {
  /** The highest rate. */
  readonly rate: number;
  readonly schedule: Schedule;
  /** Steps in which the rate rises to it, evenly. */
  readonly warmup: number;
  /** Steps of the whole training; the rate falls to 0 behind the last one, unless constant. */
  readonly steps: number;
}

/** The rate at a step, counted from 0. */
export function rateAt(step: number, { rate, schedule, warmup, steps }: Pace): number {
  if (step < warmup) return (rate * (step + 1)) / warmup;
  if (schedule === 'constant') return rate;
  const done = (step - warmup) / Math.max(1, steps - warmup);
  return schedule === 'linear' ? rate * (1 - done) : (rate * (1 + Math.cos(Math.PI * done))) / 2;
}
