// What callers pass wrongly is refused in one voice, whatever kind of thing it is.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  abortSignal,
  callback,
  describeValue,
  filledText,
  finiteNumbers,
  flag,
  knownNames,
  nearestName,
  oneOf,
  optional,
  text,
  whole,
  within,
} from '../src/arguments.ts';

interface Some {
  readonly maxTokens?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly temperature?: number;
}
const names = ['maxTokens', 'topP', 'topK', 'temperature'] as const;
const take = (options: unknown) => ({ ...knownNames<Some>('ask', options as Some, names) });
const refused = (work: () => unknown, pattern: RegExp) =>
  assert.throws(
    work,
    (e: Error) => e.name === 'OptionError' && pattern.test(e.message) && e.message.length < 400,
    String(pattern),
  );

/** One of each kind of value, some of which throw when they are turned into text. */
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const hostile: unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  1n,
  '',
  '12 parsecs',
  'x'.repeat(1e5),
  Symbol('s'),
  () => 1,
  [],
  [1, 2],
  {},
  Object.create(null),
  {
    toString() {
      throw new Error('toString was called');
    },
  },
  new Date(Number.NaN),
  new Map(),
  new Float32Array(3),
  revoked.proxy,
];

const test = suite('arguments');

test('unknown names are refused with the nearest, and all there are', () => {
  refused(
    () => take({ max_tokens: 5 }),
    /^ask: no option 'max_tokens' \(did you mean maxTokens\?\); there are maxTokens, topP, topK, temperature$/,
  );
  refused(() => take({ top_p: 1 }), /did you mean topP\?/);
  refused(() => take({ temp: 1 }), /did you mean temperature\?/);
  refused(() => take({ maxToken: 1 }), /did you mean maxTokens\?/);
  refused(() => take({ stop: 1 }), /^ask: no option 'stop'; there are/);
  refused(() => take({ topP: 1, Stop: undefined }), /no option 'Stop'/);
  refused(() => take({ ['x'.repeat(1e5)]: 1 }), /no option 'x{40}\.\.\.'; there are/);
  refused(() => take({ 'a\nb': 1 }), /no option 'a\\nb'/);
  refused(() => take({ '': 1 }), /no option ''; there are/);
  refused(() => take(JSON.parse('{ "__proto__": 1 }')), /no option '__proto__'/);
});

test('options that are none are refused as what they are', () => {
  refused(() => take(null), /^ask: options are null, expected an object$/);
  refused(() => take([1]), /options are an array of 1/);
  refused(() => take('x'), /options are 'x'/);
  refused(() => take(5), /options are 5/);
  refused(() => take(() => 1), /options are a function/);
  assert.equal(take(undefined), {});
});

test('objects of all makes are read once, what they inherit too', () => {
  let reads = 0;
  const getter = {
    get topK() {
      reads++;
      return 7;
    },
  };
  assert.equal(take(getter), { topK: 7 });
  assert.is(reads, 1);
  assert.equal(take(Object.assign(Object.create(null), { topP: 0.5, topK: undefined })), {
    topP: 0.5,
  });
  assert.equal(take(Object.create({ topP: 0.5 })), { topP: 0.5 });
  refused(() => take(Object.create({ tpoK: 1 })), /no option 'tpoK' \(did you mean topK\?\)/);
  class Options {
    topK = 3;
    get topP() {
      return 1;
    }
    method() {}
  }
  assert.equal(take(new Options()), { topK: 3, topP: 1 });
  assert.equal(take(new Proxy({ topK: 2 }, {})), { topK: 2 });
  assert.equal(take(Object.freeze({ topK: 2 })), { topK: 2 });
});

test('a wrong kind of value is an OptionError everywhere, whatever it is', () => {
  const checks: [(value: unknown) => unknown, (value: unknown) => boolean][] = [
    [(v) => whole('n', v, 0, 10), (v) => v === 0],
    [
      (v) => within('n', v, 0, Number.POSITIVE_INFINITY),
      (v) => v === 0 || v === 1.5 || v === 2 ** 53,
    ],
    [(v) => oneOf('n', v, ['', 1.5, true]), (v) => v === '' || v === 1.5 || v === true],
    [(v) => flag('n', v), (v) => v === true],
    [(v) => text('n', v), (v) => typeof v === 'string'],
    [(v) => filledText('n', v), (v) => typeof v === 'string' && v !== ''],
    [(v) => callback('n', v as () => void), (v) => typeof v === 'function'],
    [
      (v) => finiteNumbers('n', v),
      (v) =>
        (Array.isArray(v) && v.every((x) => typeof x === 'number')) || v instanceof Float32Array,
    ],
  ];
  for (const value of hostile) {
    for (const [check, isGood] of checks) {
      if (value === revoked.proxy || !isGood(value))
        refused(() => check(value), /^n (is|has) .+, expected /);
      else assert.equal(check(value), value instanceof Float32Array ? [0, 0, 0] : value);
    }
    assert.type(describeValue(value), 'string');
  }
  refused(() => whole('topK', '5', 0, 10), /^topK is '5', expected a whole number from 0 to 10$/);
  refused(
    () => within('topP', 1n, 0, 1),
    /^topP is 1n \(a bigint\), expected a number from 0 to 1$/,
  );
  refused(
    () => finiteNumbers('s', [1, Number.NaN]),
    /^s\[1\] is NaN, expected a number that is finite/,
  );
  refused(() => finiteNumbers('s', new Array(3)), /^s\[0\] is undefined/);
});

test('a signal is what behaves like one', () => {
  const { signal } = new AbortController();
  assert.is(abortSignal('signal', signal), signal);
  for (const value of hostile.filter((v) => v !== revoked.proxy))
    refused(() => abortSignal('signal', value as AbortSignal), /^signal is .+AbortController/);
  refused(
    () => abortSignal('signal', new AbortController() as never),
    /signal is an object, expected the signal of/,
  );
  assert.is(optional(abortSignal, 'signal', undefined), undefined);
  refused(() => optional(abortSignal, 'signal', null as never), /signal is null/);
});

test('the nearest name is near, or there is none', () => {
  const policies = [
    'snapkv',
    'keydiff',
    'knorm',
    'epicache',
    'epicache-defensive',
    'streaming-llm',
  ];
  assert.is(nearestName('snapkw', policies), 'snapkv');
  assert.is(nearestName('SnapKV', policies), 'snapkv');
  assert.is(nearestName('streamingLLM', policies), 'streaming-llm');
  assert.is(nearestName('epicahce', policies), 'epicache');
  assert.is(nearestName('lru', policies), undefined);
  assert.is(nearestName('x'.repeat(1e6), policies), undefined);
});

test.run();
