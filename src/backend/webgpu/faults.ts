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
};

/** The fault that was noted, if one was. */
export function notedFault(words: Uint32Array): RangeError | undefined {
  const [fault, a, b, c, d] = words;
  return fault === 0 ? undefined : new RangeError(texts[fault](a, b, c, d));
}
