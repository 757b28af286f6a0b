// What callers say of an adapter: where it is, and how much of it is wanted.
import { describeValue } from '../../arguments.ts';
import { OptionError } from '../../errors.ts';
import type { ModelInput } from '../source.ts';

/** An adapter to be loaded with a model. */
export interface AdapterOption {
  /**
   * A GGUF adapter, PEFT's adapter_model.safetensors, or the folder that one lies in: a path, URL,
   * Blob or bytes.
   */
  readonly source: ModelInput;
  /**
   * What its product is multiplied by, beside what the file says. Any finite number; 0: it is
   * checked, and takes neither memory nor time. Default 1.
   */
  readonly scale?: number;
  /** PEFT's adapter_config.json. Default: the file of that name beside `source`. */
  readonly config?: ModelInput;
}

const expected = `a text such as 'FILE' or 'FILE:0.5', or { source, scale }`;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const NONE = /^[-+]?(nan|inf|infinity)$/i;

/** One adapter, from a text or a record. Throws OptionError for what is none. */
export function readAdapterOption(name: string, value: unknown): AdapterOption {
  if (typeof value === 'string') return fromText(name, value);
  if (typeof value !== 'object' || value === null || !('source' in value))
    throw new OptionError(`${name} is ${describeValue(value)}, expected ${expected}`);
  const { source, scale = 1, config, ...rest } = value as AdapterOption;
  const [other] = Object.keys(rest);
  if (other !== undefined)
    throw new OptionError(`${name} has an option '${other}', expected source, scale, config`);
  if (typeof scale !== 'number' || !Number.isFinite(scale))
    throw new OptionError(
      `${name}.scale is ${describeValue(scale)}, expected a finite number such as 0.5`,
    );
  return { source, scale, ...(config !== undefined && { config }) };
}

/** 'FILE:0.5': what is behind the last colon is a scale where it is a number. */
function fromText(name: string, text: string): AdapterOption {
  const at = text.lastIndexOf(':');
  const [source, last] = [text.slice(0, at), text.slice(at + 1)];
  if (at >= 0 && NONE.test(last))
    throw new OptionError(`${name} has scale ${last}, expected a finite number such as 0.5`);
  const isScaled = at >= 0 && NUMBER.test(last) && Number.isFinite(Number(last));
  const given = isScaled ? { source, scale: Number(last) } : { source: text, scale: 1 };
  if (given.source.trim() === '')
    throw new OptionError(`${name} is ${describeValue(text)}, expected ${expected}`);
  return given;
}

/** A list of them. Throws OptionError for one that is listed twice. */
export function readAdapterOptions(name: string, value: unknown): readonly AdapterOption[] {
  if (!Array.isArray(value))
    throw new OptionError(`${name} is ${describeValue(value)}, expected a list of ${expected}`);
  const list = value.map((each, i) => readAdapterOption(`${name}[${i}]`, each));
  const seen = new Set<unknown>();
  for (const { source } of list) {
    const key = source instanceof URL ? source.href : source;
    if (seen.has(key))
      throw new OptionError(
        `${name} lists ${describeValue(key)} twice: list it once, with the sum of the scales`,
      );
    seen.add(key);
  }
  return list;
}
