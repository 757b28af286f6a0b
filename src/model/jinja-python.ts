// What Python's Jinja does otherwise than @huggingface/jinja (0.5.11), operation by operation:
// methods of strings, filters, operators, tests. Each gives undefined where the library is right.
import {
  capitalized,
  equal,
  float,
  int,
  isFloat,
  isInt,
  isList,
  isMapping,
  isNone,
  isNumber,
  isText,
  isUndefined,
  LINE_END,
  lengthOf,
  list,
  measure,
  SPACE,
  show,
  strip,
  text,
  truth,
  type Value,
} from './jinja-values.ts';

/** Positional arguments, and named ones. */
export interface Arguments {
  readonly all: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

const textAt = ({ all, named }: Arguments, at: number, name = ''): string | undefined => {
  const value = all[at] ?? named.get(name);
  return value && isText(value) ? value.value : undefined;
};
const texts = (values: readonly string[]) => list(values.map(text));
const lineEnds = new RegExp(LINE_END);
const runs = new RegExp(`[^${SPACE}]+`, 'g');

type Method = (self: string, args: Arguments) => Value | undefined;

const stripping =
  (left: boolean, right: boolean): Method =>
  (self, args) =>
    text(strip(self, textAt(args, 0, 'chars'), left, right));

/** Splits at white space, or at a text. */
function split(self: string, args: Arguments, fromRight: boolean): Value | undefined {
  const separator = textAt(args, 0, 'sep');
  const limit = args.all[1] ?? args.named.get('maxsplit');
  const most = limit && isInt(limit) && limit.value >= 0 ? limit.value : Infinity;
  if (separator === undefined) {
    if (most !== Infinity) return undefined;
    return texts(self.match(runs) ?? []);
  }
  if (separator === '') throw new Error('empty separator');
  const parts = self.split(separator);
  const extra = parts.length - 1 - most;
  if (extra <= 0) return texts(parts);
  const joined = fromRight ? parts.slice(0, extra + 1) : parts.slice(most);
  const whole = joined.join(separator);
  return texts(fromRight ? [whole, ...parts.slice(extra + 1)] : [...parts.slice(0, most), whole]);
}

function partition(self: string, args: Arguments, fromRight: boolean): Value {
  const separator = textAt(args, 0) ?? '';
  const at = fromRight ? self.lastIndexOf(separator) : self.indexOf(separator);
  if (separator === '') throw new Error('empty separator');
  if (at < 0) return texts(fromRight ? ['', '', self] : [self, '', '']);
  return texts([self.slice(0, at), separator, self.slice(at + separator.length)]);
}

const found = (self: string, at: number) => int(at < 0 ? -1 : lengthOf(self.slice(0, at)));

/** Methods of strings. */
export const methods: Readonly<Record<string, Method>> = {
  strip: stripping(true, true),
  lstrip: stripping(true, false),
  rstrip: stripping(false, true),
  split: (self, args) => split(self, args, false),
  rsplit: (self, args) => split(self, args, true),
  partition: (self, args) => partition(self, args, false),
  rpartition: (self, args) => partition(self, args, true),
  capitalize: (self) => text(capitalized(self)),
  title: (self) => text(self.replace(/\p{L}+/gu, capitalized)),
  find: (self, args) => found(self, self.indexOf(textAt(args, 0) ?? '')),
  rfind: (self, args) => found(self, self.lastIndexOf(textAt(args, 0) ?? '')),
  count: (self, args) => int(self.split(textAt(args, 0) ?? '').length - 1),
  join: (self, { all }) =>
    all[0] && isList(all[0]) ? text(all[0].value.map(show).join(self)) : undefined,
  removeprefix: (self, args) => {
    const part = textAt(args, 0) ?? '';
    return text(self.startsWith(part) ? self.slice(part.length) : self);
  },
  removesuffix: (self, args) => {
    const part = textAt(args, 0) ?? '';
    return text(self.endsWith(part) ? self.slice(0, self.length - part.length) : self);
  },
  splitlines: (self) => {
    const lines = self.split(lineEnds);
    if (lines[lines.length - 1] === '') lines.pop();
    return texts(lines);
  },
  isdigit: (self) => truth(/^\p{Nd}+$/u.test(self)),
};

type Filter = (self: Value, args: Arguments) => Value | undefined;

const ofText =
  (work: (self: string, args: Arguments) => Value | undefined): Filter =>
  (self, args) =>
    isText(self) || isUndefined(self) ? work(show(self), args) : undefined;

const itemsOf = (self: Value): readonly Value[] | undefined =>
  isList(self)
    ? self.value
    : isText(self)
      ? [...self.value].map(text)
      : isUndefined(self)
        ? []
        : undefined;
const onItems =
  (work: (items: readonly Value[]) => Value | undefined): Filter =>
  (self) => {
    // lists are the library's
    const items = isList(self) ? undefined : itemsOf(self);
    return items && work(items);
  };

const least = (items: readonly Value[], sign: number) =>
  items.reduce((best, v) => (sign * Number(v.value) > sign * Number(best.value) ? v : best));

/** Filters. */
export const filters: Readonly<Record<string, Filter>> = {
  tojson: (self) => {
    measure(self); // the library does it, without a bound
    return undefined;
  },
  trim: ofText((self, args) => text(strip(self, textAt(args, 0, 'chars'), true, true))),
  capitalize: ofText((self) => text(capitalized(self))),
  title: ofText((self) => text(self.replace(/[^-\s({[<]+/g, capitalized))),
  lower: ofText((self) => text(self.toLowerCase())),
  upper: ofText((self) => text(self.toUpperCase())),
  string: (self) => text(show(self)),
  length: (self) =>
    isText(self) ? int(lengthOf(self.value)) : isUndefined(self) ? int(0) : undefined,
  count: (self) => {
    const items = itemsOf(self);
    return items ? int(items.length) : isMapping(self) ? int(self.value.size) : undefined;
  },
  list: (self) => (isMapping(self) ? texts([...self.value.keys()]) : onItems(list)(self, NONE)),
  first: onItems((items) => items[0]),
  last: onItems((items) => items[items.length - 1]),
  reverse: ofText((self) => text([...self].reverse().join(''))),
  join: (self, args) => {
    const items = itemsOf(self);
    if (!items || args.named.has('attribute') || args.all.length > 1) return undefined;
    const between = args.all[0] ?? args.named.get('d');
    return text(items.map(show).join(between ? show(between) : ''));
  },
  d: (self, { all, named }) => {
    const flag = all[1] ?? named.get('boolean');
    const empty = isUndefined(self) || (flag?.__bool__().value && !self.__bool__().value);
    return empty ? (all[0] ?? named.get('default_value') ?? text('')) : self;
  },
  int: (self, { all, named }) => {
    if (isFloat(self)) return int(Math.trunc(self.value));
    if (!isText(self)) return undefined;
    const number = strip(self.value, undefined, true, true);
    return /^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(number)
      ? int(Math.trunc(Number(number)))
      : (all[0] ?? named.get('default') ?? int(0));
  },
  min: (self) => (isList(self) && self.value.every(isNumber) ? least(self.value, -1) : undefined),
  max: (self) => (isList(self) && self.value.every(isNumber) ? least(self.value, 1) : undefined),
  sum: (self, { all }) => {
    if (!isList(self) || all.length > 0 || !self.value.every(isNumber)) return undefined;
    const total = self.value.reduce((sum, v) => sum + Number(v.value), 0);
    return self.value.some(isFloat) ? float(total) : int(total);
  },
};
export const NONE: Arguments = { all: [], named: new Map() };

/** Operators, but for `and` and `or`. `longest`: characters or items that may be made. */
export function operate(operator: string, a: Value, b: Value, longest: number): Value | undefined {
  switch (operator) {
    case '==':
      return truth(equal(a, b));
    case '!=':
      return truth(!equal(a, b));
    case '~':
      return text(show(a) + show(b));
    case 'in':
    case 'not in':
      if (!isList(b)) return undefined;
      return truth(b.value.some((v) => equal(v, a)) === (operator === 'in'));
  }
  if (isNumber(a) && isNumber(b)) return arithmetic(operator, a, b);
  if (operator === '+' && isText(a) !== isText(b))
    throw new Error(`a text and ${isText(a) ? b.type : a.type} cannot be joined by +`);
  if (operator === '*' && (isInt(a) || isInt(b))) {
    const [whole, count] = isInt(a) ? [b, a.value] : [a, Number(b.value)];
    const times = Math.max(0, count);
    if (!isText(whole) && !isList(whole)) return undefined;
    if (whole.value.length * times > longest) throw new RangeError('a product is too long');
    return isText(whole)
      ? text(whole.value.repeat(times))
      : list(Array.from({ length: times }, () => whole.value).flat());
  }
  if (!isText(a) || !isText(b)) return undefined;
  switch (operator) {
    case '<':
      return truth(a.value < b.value);
    case '>':
      return truth(a.value > b.value);
    case '<=':
      return truth(a.value <= b.value);
    case '>=':
      return truth(a.value >= b.value);
    default:
      return undefined;
  }
}

function arithmetic(operator: string, a: Value, b: Value): Value | undefined {
  const [x, y] = [Number(a.value), Number(b.value)];
  const number = isFloat(a) || isFloat(b) ? float : int;
  switch (operator) {
    case '+':
      return number(x + y);
    case '-':
      return number(x - y);
    case '*':
      return number(x * y);
    case '%':
    case '/':
    case '//':
      if (y === 0) throw new Error('division by zero');
      // the rest has the sign of the divisor
      if (operator === '%') return number(x - y * Math.floor(x / y));
      return operator === '/' ? float(x / y) : number(Math.floor(x / y));
    default:
      return undefined;
  }
}

/** Tests; `other`: what it is held against, as select and its like name it. */
export function test(name: string, v: Value, other: Value | undefined): boolean | undefined {
  switch (name) {
    case 'iterable':
      return isText(v) || isList(v) || isMapping(v) || isUndefined(v);
    case 'number':
      return isNumber(v);
    case 'float':
      return isFloat(v);
    case '==':
    case 'eq':
    case 'equalto':
      return other && equal(v, other);
    case '!=':
    case 'ne':
      return other && !equal(v, other);
    case 'in':
      if (!other) return undefined;
      if (isList(other)) return other.value.some((one) => equal(one, v));
      if (isMapping(other)) return isText(v) && other.value.has(v.value);
      return isText(other) && isText(v) ? other.value.includes(v.value) : undefined;
    case 'none':
      return isNone(v);
    default:
      return undefined;
  }
}
