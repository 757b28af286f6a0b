// Chat templates are programs from outside: this runs them through @huggingface/jinja, with a bound
// on what they may do, and with what that library (0.5.11) does otherwise than the Jinja of
// transformers: how a source is read (jinja-source.ts), values as Python has them
// (jinja-python.ts), a date that stays.
import { parse, tokenize } from '@huggingface/jinja';
import { UnsupportedError } from '../errors.ts';
import { BoundedInterpreter, Overdone } from './jinja-bounded.ts';
import { findPlaces } from './jinja-nodes.ts';
import { readSource } from './jinja-source.ts';
import { newScope } from './jinja-values.ts';

/** Longest template in characters: the longest published ones have some 40,000. */
const MAX_CHARS = 1 << 18;
/** Longest run of white space: the library looks for blocks behind each from each of its places. */
const MAX_SPACE = 4096;
/** Longest range, as in Jinja's sandbox. */
const MAX_RANGE = 100_000;
/**
 * Steps for nothing, for each message, and for each character it is given: published templates take
 * some hundred a message.
 */
const STEPS = 400_000;
const STEPS_PER_MESSAGE = 5_000;
const STEPS_PER_CHAR = 4;
/**
 * The same for each pair of messages: templates that look at others for each name the whole list
 * each time, every element a step.
 */
const STEPS_PER_PAIR = 16;
/** Longest text for nothing, and for each character it is given. */
const TEXT = 1 << 22;
const TEXT_PER_CHAR = 16;

/**
 * A template that can be run: text out of variables. Throws Error with what it says where it
 * refuses, UnsupportedError past the limits.
 */
export type Render = (variables: Readonly<Record<string, unknown>>, now: Date) => string;

/** Reads a template. Throws UnsupportedError where it cannot be parsed. */
export function readTemplate(source: string, name: string): Render {
  const refuse = (why: string, cause?: unknown): never => {
    throw new UnsupportedError(
      `${name}: its chat template ${why}: ask with { template: false }, or choose another file ` +
        `of this model`,
      { cause },
    );
  };
  if (source.length > MAX_CHARS)
    refuse(`has ${source.length} characters, at most ${MAX_CHARS} are read`);
  if (new RegExp(`\\s{${MAX_SPACE}}`).test(source)) refuse(`has ${MAX_SPACE} blanks in a row`);
  let program: object;
  try {
    program = parse(tokenize(readSource(source), { lstrip_blocks: true, trim_blocks: true }));
  } catch (cause) {
    return refuse(`cannot be parsed (${(cause as Error).message})`, cause);
  }
  const places = findPlaces(program);
  return (variables, now) => {
    const { messages } = variables;
    const count = Array.isArray(messages) ? messages.length : 0;
    const chars = JSON.stringify(variables)?.length ?? 0;
    const environment = newScope();
    const interpreter = new BoundedInterpreter(
      environment,
      places,
      STEPS + STEPS_PER_MESSAGE * count + STEPS_PER_PAIR * count * count + STEPS_PER_CHAR * chars,
      TEXT + TEXT_PER_CHAR * chars,
    );
    for (const [key, value] of Object.entries({ ...globals(interpreter, now), ...variables }))
      environment.set(key, value);
    try {
      return String(interpreter.run(program).value);
    } catch (cause) {
      // a stack that ends, a text or list that cannot be that long
      if (cause instanceof Overdone || cause instanceof RangeError)
        return refuse(`does too much (${cause.message})`, cause);
      throw cause;
    }
  };
}

function globals(interpreter: BoundedInterpreter, now: Date): Record<string, unknown> {
  return {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    raise_exception: (message: unknown) => {
      throw new Error(String(message));
    },
    strftime_now: (format: unknown) => strftime(now, String(format)),
    range: (first: number, end?: number, step = 1) => {
      const [from, to] = end === undefined ? [0, first] : [first, end];
      const length = Math.max(0, Math.ceil((to - from) / step));
      if (!(length <= MAX_RANGE))
        throw new Overdone(`a range of ${length}, at most ${MAX_RANGE} are made`);
      interpreter.spend(length);
      return Array.from({ length }, (_, i) => from + i * step);
    },
  };
}

/**
 * Python's strftime in the C locale, as far as templates use it; what is not known stays as it is.
 */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const name = (options: Intl.DateTimeFormatOptions) => date.toLocaleString('en-US', options);
  const [begin, today] = [
    new Date(date.getFullYear(), 0, 0),
    new Date(date.getFullYear(), date.getMonth(), date.getDate()),
  ];
  const parts: Record<string, () => string> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    e: () => String(date.getDate()).padStart(2, ' '),
    B: () => name({ month: 'long' }),
    b: () => name({ month: 'short' }),
    A: () => name({ weekday: 'long' }),
    a: () => name({ weekday: 'short' }),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 || 12),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    j: () => String(Math.round((today.getTime() - begin.getTime()) / 86_400_000)).padStart(3, '0'),
    '%': () => '%',
  };
  return format.replace(/%(-?)([A-Za-z%])/g, (all, plain: string, key: string) => {
    const part = parts[key]?.();
    return part === undefined ? all : plain ? part.replace(/^[0 ]+(?=.)/, '') : part;
  });
}
