// What fields of messages are in bytes: whole words each, little-endian, so that the bytes of a
// message follow from what is in it. Nothing is reserved by a number that arrives before the bytes
// are there.

/** What fields may be. */
export interface Values {
  /** A whole number, 0 to 2^32 - 1: u32. */
  readonly count: number;
  /** A finite number: f64. */
  readonly number: number;
  /** Any number, NaN and infinite ones too: f64. */
  readonly real: number;
  /** u32, 0 or 1. */
  readonly flag: boolean;
  /** u32 bytes, UTF-8, zeros to a whole word. */
  readonly text: string;
  /** Whole numbers from -1: u32 of them (plus 2^31: 4 bytes each, else 2), zeros to a word. */
  readonly ids: Int32Array;
  /** u32 of them, f32 each. */
  readonly f32: Float32Array;
  /** u32 of them, zeros to a whole word. */
  readonly bytes: Uint8Array;
}
export type FieldKind = keyof Values;

interface Format<T> {
  /** Bytes of a value. */
  size(value: T): number;
  write(view: DataView, at: number, value: T): void;
  /** The value at a place, and where it ends; undefined: none is there. */
  read(view: DataView, at: number): readonly [value: T, end: number] | undefined;
}

const padded = (bytes: number) => Math.ceil(bytes / 4) * 4;

const f64 = (isGood: (value: number) => boolean): Format<number> => ({
  size: () => 8,
  write: (view, at, value) => view.setFloat64(at, value, true),
  read(view, at) {
    if (at + 8 > view.byteLength) return undefined;
    const value = view.getFloat64(at, true);
    return isGood(value) ? [value, at + 8] : undefined;
  },
});

function wordAt(view: DataView, at: number): number | undefined {
  return at + 4 > view.byteLength ? undefined : view.getUint32(at, true);
}

/** Bytes behind a word that counts them. */
const bytes: Format<Uint8Array> = {
  size: (value) => 4 + padded(value.length),
  write(view, at, value) {
    view.setUint32(at, value.length, true);
    new Uint8Array(view.buffer).set(value, at + 4);
  },
  read(view, at) {
    const count = wordAt(view, at);
    const end = at + 4 + padded(count ?? 0);
    if (count === undefined || end > view.byteLength) return undefined;
    const value = new Uint8Array(view.buffer, at + 4, count);
    const padding = new Uint8Array(view.buffer, at + 4 + count, end - at - 4 - count);
    return padding.some((zero) => zero !== 0) ? undefined : [value, end];
  },
};

/** Ids that take 4 bytes each say so in their count. */
const WIDE = 2 ** 31;
const NARROW_MOST = 0xfffe; // 0xffff is -1
const isWide = (ids: Int32Array) => ids.some((id) => id < -1 || id > NARROW_MOST);

const ids: Format<Int32Array> = {
  size: (value) => 4 + padded(value.length * (isWide(value) ? 4 : 2)),
  write(view, at, value) {
    const wide = isWide(value);
    view.setUint32(at, value.length + (wide ? WIDE : 0), true);
    for (const [i, id] of value.entries())
      if (wide) view.setInt32(at + 4 + i * 4, id, true);
      else view.setUint16(at + 4 + i * 2, id & 0xffff, true);
  },
  read(view, at) {
    const word = wordAt(view, at) ?? WIDE * 2;
    const wide = word >= WIDE;
    const count = wide ? word - WIDE : word;
    const end = at + 4 + padded(count * (wide ? 4 : 2));
    if (end > view.byteLength) return undefined;
    const value = new Int32Array(count);
    for (const i of value.keys()) {
      const narrow = wide ? 0 : view.getUint16(at + 4 + i * 2, true);
      value[i] = wide ? view.getInt32(at + 4 + i * 4, true) : narrow > NARROW_MOST ? -1 : narrow;
    }
    return [value, end];
  },
};

export const formats: { readonly [K in FieldKind]: Format<Values[K]> } = {
  count: {
    size: () => 4,
    write(view, at, value) {
      if (!(Number.isInteger(value) && value >= 0 && value < 2 ** 32))
        throw new RangeError(`${value} is no number of a message: expected 0 to 2^32 - 1`);
      view.setUint32(at, value, true);
    },
    read(view, at) {
      const value = wordAt(view, at);
      return value === undefined ? undefined : [value, at + 4];
    },
  },
  number: f64(Number.isFinite),
  real: f64(() => true),
  flag: {
    size: () => 4,
    write: (view, at, value) => view.setUint32(at, value ? 1 : 0, true),
    read(view, at) {
      const value = wordAt(view, at);
      return value === 0 || value === 1 ? [value === 1, at + 4] : undefined;
    },
  },
  text: {
    size: (value) => bytes.size(new TextEncoder().encode(value)),
    write: (view, at, value) => bytes.write(view, at, new TextEncoder().encode(value)),
    read(view, at) {
      const found = bytes.read(view, at);
      if (!found) return undefined;
      try {
        return [new TextDecoder('utf-8', { fatal: true }).decode(found[0]), found[1]];
      } catch {
        return undefined;
      }
    },
  },
  ids,
  f32: {
    size: (value) => 4 + value.byteLength,
    write(view, at, value) {
      view.setUint32(at, value.length, true);
      const { buffer, byteOffset, byteLength } = value;
      new Uint8Array(view.buffer).set(new Uint8Array(buffer, byteOffset, byteLength), at + 4);
    },
    read(view, at) {
      const count = wordAt(view, at);
      if (count === undefined || at + 4 + count * 4 > view.byteLength) return undefined;
      return [new Float32Array(view.buffer as ArrayBuffer, at + 4, count), at + 4 + count * 4];
    },
  },
  bytes,
};
