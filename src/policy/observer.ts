// Reads the observer of a policy that somebody defines: which kind it is, and the fields that this
// kind has.
import { knownNames, oneOf, whole } from '../arguments.ts';
import { MOST_AHEAD, MOST_WINDOW, type Observer, promptNames } from './policy.ts';

const observerNames = {
  none: ['queries'],
  last: ['queries', 'count'],
  block: ['queries', 'ahead'],
  patched: ['queries', 'prompt'],
} as const satisfies Record<Observer['queries'], readonly string[]>;

/**
 * Checks an observer; `what` names a part of the policy in errors. Throws OptionError. What it
 * returns is frozen.
 */
export function readObserver(what: (part: string) => string, observer: Observer): Observer {
  // each kind has fields of its own: which it is comes first
  const { queries: found } = knownNames<AllOfObserver>(what('observe'), observer, [
    'queries',
    'count',
    'ahead',
    'prompt',
  ]);
  const queries = oneOf(
    what('observe.queries'),
    found,
    Object.keys(observerNames) as Observer['queries'][],
  );
  const { count, ahead, prompt } = knownNames<AllOfObserver>(
    what(`observe (queries '${queries}')`),
    observer,
    observerNames[queries],
  );
  switch (queries) {
    case 'none':
      return Object.freeze({ queries });
    case 'last':
      return Object.freeze({ queries, count: whole(what('observe.count'), count, 1, MOST_WINDOW) });
    case 'block':
      return Object.freeze(
        ahead === undefined
          ? { queries }
          : { queries, ahead: whole(what('observe.ahead'), ahead, 1, MOST_AHEAD) },
      );
    case 'patched':
      return Object.freeze({ queries, prompt: oneOf(what('observe.prompt'), prompt, promptNames) });
    default:
      return queries satisfies never;
  }
}

interface AllOfObserver {
  readonly queries?: Observer['queries'];
  readonly count?: number;
  readonly ahead?: number;
  readonly prompt?: (typeof promptNames)[number];
}
