// Budgets: what is read, what bytes hold, exact shares.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { budgetRows, layerBudgets, parseBudget } from '../../src/cache/budget.ts';
import { apportion } from '../../src/math/apportion.ts';

const test = suite('budget');
test('tokens and bytes are told apart', () => {
  assert.equal(parseBudget(512), { tokens: 512 });
  assert.equal(parseBudget('512'), { tokens: 512 });
  assert.equal(parseBudget('64MB'), { bytes: 64 * 2 ** 20 });
  assert.equal(parseBudget('1.5 GiB'), { bytes: 1.5 * 2 ** 30 });
  for (const bad of [0, -1, 1.5, Number.NaN, '', 'much', '64 apples', '-4MB', null]) {
    assert.throws(
      () => parseBudget(bad as number),
      (e: Error) => e.name === 'OptionError' && /64MB/.test(e.message),
      String(bad),
    );
  }
});
test('bytes hold as many rows as fit, not one more', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 0, max: 100_000 }),
      fc.integer({ min: 1, max: 10_000_000 }),
      (perRow, fixed, bytes) => {
        const promised = (rows: number) => fixed + perRow * rows;
        if (promised(1) > bytes)
          assert.throws(
            () => budgetRows({ bytes }, promised),
            (e: Error) => e.name === 'BudgetError' && /Raise the budget to/.test(e.message),
          );
        else {
          const rows = budgetRows({ bytes }, promised);
          assert.ok(promised(rows) <= bytes && promised(rows + 1) > bytes);
        }
      },
    ),
  );
});
test('shares are whole, exact, and between floor and cap', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.double({ min: 0, max: 8, noNaN: true }),
      (similarity, M, alpha) => {
        const shares = layerBudgets(M, similarity, alpha);
        assert.is(
          shares.reduce((a, b) => a + b, 0),
          M * similarity.length,
        );
        assert.ok(shares.every((s) => Number.isInteger(s) && s >= Math.max(1, Math.floor(M / 4))));
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 500 }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 20, max: 200 }),
      (weights, total, floor, cap) => {
        if (floor * weights.length > total) return;
        const shares = apportion(total, weights, floor, cap);
        assert.is(
          shares.reduce((a, b) => a + b, 0),
          Math.min(total, cap * weights.length),
        );
        assert.ok(
          shares.every((s) => Number.isInteger(s) && s >= floor && s <= cap),
          shares.join(),
        );
      },
    ),
  );
});
test.run();
