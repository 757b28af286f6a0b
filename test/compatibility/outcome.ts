// What becomes of a feature that is tried: it works, it is refused with a reason, or neither, which
// is a fault.
import { OptionError, UnsupportedError } from '../../src/errors.ts';
import type { Subject } from './subject.ts';

export interface Feature {
  /** What the table's columns are called, and what they are part of. */
  readonly name: string;
  readonly group: string;
  /** What is found out, for people. */
  readonly promise: string;
  /** Tries it. Throws what refuses it, or says what is wrong. */
  check(subject: Subject): Promise<void>;
}

export type Outcome =
  | { readonly kind: 'works' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'fault'; readonly what: string };

/** Bytes that a model's weights, conversations and trainings hold. */
const heldBytes = async (subject: Subject) => (await subject.model()).backend.arena.usedBytes;

/** Tries a feature. A refusal leaves nothing reserved, and says what was found and what to do. */
export async function outcomeOf(feature: Feature, subject: Subject): Promise<Outcome> {
  const before = await heldBytes(subject);
  let outcome: Outcome;
  try {
    await feature.check(subject);
    outcome = { kind: 'works' };
  } catch (error) {
    outcome = ofError(error, subject);
  }
  const left = (await heldBytes(subject)) - before;
  return left === 0 ? outcome : { kind: 'fault', what: `${left} bytes were not given back` };
}

function ofError(error: unknown, { file }: Subject): Outcome {
  const isRefusal = error instanceof OptionError || error instanceof UnsupportedError;
  const said = error instanceof Error ? error.message : String(error);
  const reason = said.replace(`${file}: `, '');
  if (isRefusal && reason.includes(': ')) return { kind: 'refused', reason };
  const what = error instanceof Error ? (error.stack ?? said) : said;
  return { kind: 'fault', what };
}
