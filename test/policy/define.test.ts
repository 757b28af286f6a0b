// What a policy may be: refused where it is defined, checked where it scores.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import type { HeadRows } from '../../src/backend/cpu/memory.ts';
import { type Axes, composePolicy } from '../../src/policy/compose.ts';
import { definePolicy, readPolicy } from '../../src/policy/define.ts';
import {
  type LayerView,
  MOST_POOL,
  type Policy,
  type PolicyDefinition,
  type Score,
} from '../../src/policy/policy.ts';
import { findPolicy, policies } from '../../src/policy/registry.ts';
import { rateRows } from '../../src/policy/score.ts';
import { countsOf, rowsOf, scoresOf } from '../rows.ts';
import { ModelFormatError, StoreError } from '../../src/errors.ts';

const refused = (work: () => unknown, pattern: RegExp) =>
  assert.throws(
    work,
    (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
    String(pattern),
  );
const looking = { name: 'mine', summary: '', observe: { queries: 'last', count: 8 } } as const;
const none: Score = ({ out, cached }) => scoresOf(out, new Array<number>(cached.kvHeads).fill(0));
const define = (change: Record<string, unknown>) =>
  definePolicy({ ...looking, ...change } as PolicyDefinition);
const notCounts = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40, '5', null, 1n, {}, []];

const test = suite('policies defined');

test('what the kernels cannot do is refused', () => {
  for (const aggregate of ['mean', 'max', 'defensive'])
    for (const pool of [65, 64, 63, 33, 2, 0, ...notCounts])
      refused(
        () => define({ aggregate, pool }),
        /^policy 'mine': pool is .+, expected an odd number from 1 to 31$/,
      );
  assert.is(define({ pool: MOST_POOL }).pool, 31);
  for (const count of [0, undefined, 65537, ...notCounts])
    refused(
      () => define({ observe: { queries: 'last', count } }),
      /observe.count is .+ from 1 to 65536/,
    );
  for (const ahead of [0, 65537, ...notCounts])
    refused(
      () => define({ observe: { queries: 'block', ahead } }),
      /observe.ahead is .+ from 1 to 65536/,
    );
  for (const rows of [65537, ...notCounts]) {
    refused(() => define({ protect: { recent: rows } }), /protect.recent is .+ from 0 to 65536/);
    refused(() => define({ protect: { sinks: rows } }), /protect.sinks is .+ from 0 to 65536/);
  }
  for (const stages of [0, 3, ...notCounts])
    refused(() => define({ stages }), /stages is .+, expected 1 or 2/);
  for (const safeguard of [2, ...notCounts.filter((v) => v !== 0.5)])
    refused(() => define({ safeguard }), /safeguard is .+ from 0 to 1/);
});

test('unknown names and wrong kinds are refused, nested ones too', () => {
  refused(
    () => define({ agregate: 'max' }),
    /^definePolicy: no option 'agregate' \(did you mean aggregate\?\)/,
  );
  refused(
    () => define({ protect: { recnt: 1 } }),
    /^policy 'mine': protect: no option 'recnt' \(did you mean recent\?\)/,
  );
  refused(
    () => define({ observe: { queries: 'last', count: 8, ahead: 4 } }),
    /observe \(queries 'last'\): no option 'ahead'; there are queries, count/,
  );
  refused(
    () => define({ observe: { queries: 'patched', prompt: 'sumary' } }),
    /observe.prompt is 'sumary' \(did you mean summary\?\)/,
  );
  refused(
    () => define({ observe: { queries: 'first' } }),
    /observe.queries is 'first', expected none or last or block or patched/,
  );
  refused(() => define({ observe: null }), /observe: options are null/);
  refused(() => define({ observe: 'last' }), /observe: options are 'last'/);
  refused(() => define({ protect: null }), /protect: options are null/);
  refused(() => define({ aggregate: 'median' }), /aggregate is 'median'/);
  refused(() => define({ value: true }), /value is true/);
  refused(() => define({ heads: null }), /heads is null/);
  refused(() => define({ layers: 'some' }), /layers is 'some'/);
  refused(() => define({ evicts: 1 }), /evicts is 1, expected true or false/);
  refused(() => define({ accumulates: 'yes' }), /accumulates is 'yes'/);
  refused(() => define({ score: 5 }), /score is 5, expected a function/);
  refused(() => define({ score: null }), /score is null/);
  for (const [axis, value] of Object.entries({
    pool: null,
    stages: null,
    safeguard: null,
    aggregate: null,
    evicts: null,
    composed: 5,
  }))
    refused(() => define({ [axis]: value }), new RegExp(`${axis} is (null|5)`));
  for (const name of ['', undefined, null, 5])
    refused(() => define({ name }), /^definePolicy: name is /);
  refused(() => define({ summary: undefined }), /summary is undefined/);
  for (const definition of [null, undefined, 'snapkv', 5, [looking]])
    refused(() => definePolicy(definition as never), /^definePolicy: /);
});

test('axes that would be ignored are refused', () => {
  refused(
    () => definePolicy({ name: 'idle', summary: '' }),
    /'idle' has neither observers nor a score/,
  );
  refused(() => define({ observe: { queries: 'none' } }), /neither observers nor a score/);
  refused(
    () => define({ score: none, pool: 5 }),
    /score of its own, which pool, value and stages would not change/,
  );
  refused(() => define({ score: none, value: 'projected' }), /score of its own/);
  refused(() => define({ score: none, stages: 2 }), /score of its own/);
});

test('a definition that begins with another policy is what it says', () => {
  const snapkv = findPolicy('snapkv');
  assert.is(definePolicy({ ...snapkv, name: 'wide', pool: 7 }).composed, true);
  assert.is.not(definePolicy({ ...snapkv, name: 'wide', pool: 7 }).score, snapkv.score);
  const own = definePolicy({ ...snapkv, name: 'own', score: none });
  assert.equal([own.score, own.composed, own.pool, own.observe], [none, false, 1, snapkv.observe]);
  for (const policy of policies) {
    const { score: a, ...again } = definePolicy({ ...policy });
    const { score: b, ...before } = policy;
    assert.equal(again, before);
    if (!policy.composed) assert.is(a, b);
  }
  assert.throws(() => ((snapkv as { pool: number }).pool = 65), TypeError);
  assert.throws(() => ((snapkv.protect as { recent: number }).recent = -1), TypeError);
});

test('a record that never was defined is, where it is used', () => {
  const { snapkv } = { snapkv: findPolicy('snapkv') };
  assert.is(readPolicy(snapkv), snapkv);
  assert.is.not(readPolicy({ ...snapkv, pool: 7 }).score, snapkv.score);
  refused(() => readPolicy({ ...snapkv, pool: 65 }), /pool is 65/);
  refused(() => readPolicy(null as never), /policy is null/);
  refused(() => readPolicy({} as never), /name is undefined/);
});

test('axes are held to the same', () => {
  const snapkv = findPolicy('snapkv');
  const compose = (axes: unknown) => () => composePolicy(snapkv, axes as Axes);
  refused(compose({ windw: 3 }), /^composePolicy: no option 'windw' \(did you mean window\?\)/);
  refused(compose(null), /options are null/);
  for (const window of [65537, ...notCounts])
    refused(compose({ window }), /window is .+ from 0 to 65536/);
  for (const pool of [65, 2, 0, ...notCounts])
    refused(compose({ pool }), /pool is .+ odd number from 1 to 31/);
  for (const axis of ['observe', 'aggregate', 'value', 'stages'])
    for (const value of [...notCounts, 'x'])
      refused(compose({ [axis]: value }), new RegExp(`^${axis} is `));
  refused(() => composePolicy({ ...snapkv, pool: 65 }, {}), /pool is 65/);
});

test('the nearest name is suggested', () => {
  refused(
    () => findPolicy('snapkw'),
    /no policy 'snapkw' \(did you mean snapkv\?\); there are full/,
  );
  for (const name of [null, undefined, 5, {}, Symbol('s')])
    refused(() => findPolicy(name as never), /^no policy /);
});
test.run();

const rating = suite('scores of a policy');
const backend = createWasmBackend('simd');
const [d, n] = [8, 5];
const room = (numbers: number[]) => {
  const address = backend.arena.allocate(numbers.length * 4);
  backend.floats(address, numbers.length).set(numbers);
  return address;
};
const headOf = (key: number): HeadRows => {
  const rows = () => room(new Array(n * d).fill(1));
  const keys = rows();
  backend.floats(keys, n * d)[n * d - 1] = key;
  return {
    keys,
    values: rows(),
    rest: 0,
    tokens: room(new Array(n).fill(0)),
    state: room(new Array(n).fill(0)),
    length: n,
  };
};
const viewOf = (heads: HeadRows[]): LayerView => {
  const [out, spare, extra] = [0, 1, 2].map(() => room(new Array(heads.length * n).fill(0)));
  return {
    layer: 3,
    cached: rowsOf(heads, d, 'f32'),
    tokens: n,
    count: 0,
    recent: 0,
    keeps: 2,
    out,
    spare,
    extra,
    seed: 0,
  };
};
const rate = (score: unknown, key = 1) =>
  rateRows(
    { name: 'mine', score: score as Policy['score'] },
    viewOf([headOf(1), headOf(key)]),
    backend,
  );

rating('that are none are refused, with the policy and the layer', () => {
  const whole = (address: number) => ({ address, counts: [n, n] });
  const bad: [unknown, RegExp][] = [
    [() => undefined, /score returned undefined/],
    [() => null, /score returned null/],
    [() => [1, 2], /score returned an array of 2/],
    [
      async (v: LayerView) => whole(v.out),
      /score returned a promise, expected what an operation such as ops\.rateTokens\(\) gives/,
    ],
    [(v: LayerView) => ({ address: v.out, counts: [n] }), /counts of 1 heads, the layer has 2/],
    [(v: LayerView) => ({ address: v.out, counts: [n, n, n] }), /counts of 3 heads/],
    [
      (v: LayerView) => ({ address: v.out, counts: [n, n + 1] }),
      /rates 6 rows of head 1, which has 5/,
    ],
    [(v: LayerView) => ({ address: v.out, counts: [-1, n] }), /rates -1 rows of head 0/],
    [(v: LayerView) => ({ address: v.out, counts: [0.5, n] }), /rates 0.5 rows/],
    [(v: LayerView) => ({ address: v.out, counts: [Number.NaN, n] }), /rates NaN rows/],
    [(v: LayerView) => ({ address: v.out, counts: [undefined, n] }), /rates undefined rows/],
    [
      (v: LayerView) => ({ address: v.out + 1, counts: [n, n] }),
      /lies at \d+, where memory has no 10 numbers/,
    ],
    [() => whole(-4), /lies at -4/],
    [() => whole(2 ** 40), /lies at 1099511627776/],
    [() => whole(Number.NaN), /lies at NaN/],
    [
      () => {
        throw new TypeError('no such row');
      },
      /^policy 'mine', layer 3: its score threw TypeError: no such row$/,
    ],
    [
      () => {
        throw 'text';
      },
      /its score threw 'text'/,
    ],
    [
      (v: LayerView) => {
        backend.floats(v.out, 2 * n).fill(1)[7] = Number.NaN;
        return whole(v.out);
      },
      /its score is NaN at place 7 of 10/,
    ],
  ];
  for (const [score, pattern] of bad) refused(() => rate(score), pattern);
});

rating('may be infinite, and keep their own errors', () => {
  const found = rate((v: LayerView) => {
    backend.floats(v.out, 2 * n).set([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    return { address: v.out, counts: [n, n] };
  });
  assert.equal(countsOf(found), [n, n]);
  assert.equal(countsOf(rate(none)), [0, 0]);
  const mine = new StoreError('mine');
  try {
    rate(() => {
      throw mine;
    });
    assert.unreachable();
  } catch (error) {
    assert.is(error, mine);
  }
});

rating('that a damaged model spoils are the model’s fault', () => {
  const knorm = findPolicy('knorm').score;
  for (const key of [Number.NaN]) {
    assert.throws(
      () => rate(knorm, key),
      (e: Error) => e instanceof ModelFormatError && /layer 3: keys are not finite/.test(e.message),
    );
  }
  assert.equal(countsOf(rate(knorm)), [n, n]);
});
rating.after(() => backend.dispose());
rating.run();
