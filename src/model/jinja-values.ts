// Values of templates as @huggingface/jinja has them, and what Python says of such values: how they
// print, when they are equal, what is white space.
import { Environment } from '@huggingface/jinja';

/**
 * The declarations of the library do not resolve in every setting: this is what is used of them.
 */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  readonly builtins: ReadonlyMap<string, Value>;
  __bool__(): { readonly value: boolean };
}
export interface Scope {
  set(name: string, value: unknown): Value;
}
export const newScope = (): Scope => new Environment() as unknown as Scope;

const classOf = (sample: unknown) =>
  newScope().set('sample', sample).constructor as new (value?: unknown) => Value;
const Text = classOf('');
const Int = classOf(1);
const Float = classOf(0.5);
const Truth = classOf(true);
const List = classOf([]);
const None = classOf(null);

export const text = (value: string): Value => new Text(value);
export const int = (value: number): Value => new Int(value);
export const float = (value: number): Value => new Float(value);
export const truth = (value: boolean): Value => new Truth(value);
export const list = (value: readonly Value[]): Value => new List(value);
export const none = (): Value => new None(null);

export const isText = (v: Value): v is Value & { value: string } => v.type === 'StringValue';
export const isInt = (v: Value): v is Value & { value: number } => v.type === 'IntegerValue';
export const isFloat = (v: Value): v is Value & { value: number } => v.type === 'FloatValue';
const isTruth = (v: Value): v is Value & { value: boolean } => v.type === 'BooleanValue';
/** True and False are numbers to Python. */
export const isNumber = (v: Value) => isInt(v) || isFloat(v) || isTruth(v);
export const isList = (v: Value): v is Value & { value: Value[] } =>
  v.type === 'ArrayValue' || v.type === 'TupleValue';
export const isMapping = (v: Value): v is Value & { value: Map<string, Value> } =>
  v.type === 'ObjectValue' || v.type === 'KeywordArgumentsValue';
export const isNone = (v: Value) => v.type === 'NullValue';
const isMissing = (v: Value) => isNone(v) || isUndefined(v);
export const isUndefined = (v: Value) => v.type === 'UndefinedValue';

/** Most values that are looked at inside a list: one may hold another twice, that one a third... */
const MAX_INSIDE = 1 << 18;

/** Throws RangeError for a list or mapping that has too much inside to be looked through. */
export function measure(whole: Value): void {
  const left = [whole];
  let count = 0;
  for (let v = left.pop(); v; v = left.pop()) {
    const inside = isList(v) ? v.value : v.value instanceof Map ? [...v.value.values()] : [];
    count += inside.length;
    if (count > MAX_INSIDE) throw new RangeError(`a list of more than ${MAX_INSIDE} values`);
    for (const one of inside as Value[]) left.push(one);
  }
}

/**
 * `a == b`. Differs: what is missing equals none, as callers leave out what transformers sets to
 * None.
 */
export function equal(a: Value, b: Value): boolean {
  measure(a);
  return isEqual(a, b);
}

function isEqual(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value);
  if (isMissing(a)) return isMissing(b);
  if (a.type !== b.type) return false;
  if (isList(a) && isList(b))
    return a.value.length === b.value.length && a.value.every((v, i) => isEqual(v, b.value[i]));
  if (isMapping(a) && isMapping(b)) {
    const others = b.value;
    const same = ([key, v]: [string, Value]) => {
      const other = others.get(key);
      return other !== undefined && isEqual(v, other);
    };
    return a.value.size === others.size && [...a.value].every(same);
  }
  return a.value === b.value;
}

/** `str(value)`: what `{{ value }}` writes. */
export function show(v: Value): string {
  if (isText(v)) return v.value;
  if (isUndefined(v)) return '';
  measure(v);
  return repr(v);
}

function repr(v: Value): string {
  if (isText(v)) return quoted(v.value);
  if (isTruth(v)) return v.value ? 'True' : 'False';
  if (isNone(v)) return 'None';
  if (isUndefined(v)) return 'Undefined';
  if (isFloat(v)) return digits(v.value);
  if (isMapping(v) || v.type === 'NamespaceValue') {
    const entries = [...(v.value as Map<string, Value>)];
    const all = `{${entries.map(([key, one]) => `${quoted(key)}: ${repr(one)}`).join(', ')}}`;
    return isMapping(v) ? all : `<Namespace ${all}>`;
  }
  if (!isList(v)) return String(v.value);
  const all = v.value.map(repr).join(', ');
  return v.type === 'ArrayValue' ? `[${all}]` : `(${all}${v.value.length === 1 ? ',' : ''})`;
}

/** A string as Python writes it in a list. */
function quoted(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };
  // what cannot be printed: controls, separators but the space, halves of pairs, what is unassigned
  const written = value.replace(/[\\'"]|[^\P{C}]|[^\P{Z} ]/gu, (c) => {
    if (c === '"' || c === "'") return c === quote ? `\\${c}` : c;
    const code = c.codePointAt(0)!;
    const hex = (width: number) => code.toString(16).padStart(width, '0');
    return (
      named[c] ?? (code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`)
    );
  });
  return quote + written + quote;
}

/** A float as Python writes it: an exponent from 1e16 on and below 1e-4, else a point. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4))
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  const plain = Object.is(value, -0) ? '-0' : String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}

/** White space to Python: U+001C to U+001F and U+0085 are, U+FEFF is not. */
export const SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
/** A line's end. */
export const LINE_END = '\\r\\n|[\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029]';
const space = new RegExp(`[${SPACE}]`);

/** A text without the characters of a set, or white space, at its ends. */
export function strip(
  whole: string,
  set: string | undefined,
  left: boolean,
  right: boolean,
): string {
  const characters = set === undefined ? undefined : new Set(set);
  const goes = (c: string) => (characters ? characters.has(c) : space.test(c));
  let [begin, end] = [0, whole.length];
  while (left && begin < end) {
    const c = String.fromCodePoint(whole.codePointAt(begin)!);
    if (!goes(c)) break;
    begin += c.length;
  }
  while (right && end > begin) {
    const half = (whole.charCodeAt(end - 1) & 0xfc00) === 0xdc00 && end - begin > 1;
    const pair = half && (whole.charCodeAt(end - 2) & 0xfc00) === 0xd800;
    if (!goes(whole.slice(end - (pair ? 2 : 1), end))) break;
    end -= pair ? 2 : 1;
  }
  return whole.slice(begin, end);
}

/** Characters of a text, each a code point. */
export function lengthOf(whole: string): number {
  let length = whole.length;
  for (let i = 1; i < whole.length; i++)
    if ((whole.charCodeAt(i) & 0xfc00) === 0xdc00 && (whole.charCodeAt(i - 1) & 0xfc00) === 0xd800)
      length--;
  return length;
}

export const capitalized = (word: string): string => {
  const [first = ''] = word;
  return first.toUpperCase() + word.slice(first.length).toLowerCase();
};
