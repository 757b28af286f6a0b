// What only the device finds out: kernels note the first fault in the first words of the work
// buffer (lib/fault.wgsl), and what is read next rejects with it.

/** Bytes of the work buffer that faults are noted in, which nobody else gets. */
export const FAULT_BYTES = 32;

/** By the number that kernels know a fault by, what its four numbers say. */
const texts: Readonly<Record<number, (a: number, b: number, c: number, d: number) => string>> = {
  1: (layer, head, rows, room) =>
    `layer ${layer}, head ${head}: ${rows} rows appended where ${room} fit`,
  2: (range, rows, share) => `range ${range} keeps ${rows} rows, its share is ${share}`,
  3: (rows, there) => `${rows} rows taken back where ${there} are`,
  4: (_, head, row) => `what is kept at row ${row} of head ${head} is no finite number`,
};

/** A fault whose first number is that of a check, which makes an error of the others. */
const CHECKED = 4;

type Told = (a: number, b: number, c: number) => Error;

/** Faults as errors, and the checks that were asked for since a read was fine. */
export class Faults {
  readonly #checks = new Map<number, Told>();
  /** Number of the newest check. */
  last = 0;

  /** Number of a check, for its kernel to note. */
  add(told: Told): number {
    this.#checks.set(++this.last, told);
    return this.last;
  }

  /** The fault that was noted, if one was. `last` is the newest check that was asked for before. */
  noted(words: Uint32Array, last: number): Error | undefined {
    const [fault, a, b, c, d] = words;
    const checked = fault === CHECKED ? this.#checks.get(a) : undefined;
    for (const check of this.#checks.keys()) if (check <= last) this.#checks.delete(check);
    if (fault === 0) return undefined;
    return checked ? checked(b, c, d) : new RangeError(texts[fault](a, b, c, d));
  }
}
