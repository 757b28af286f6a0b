// What training is good for (recipes.ts has the command that prints all figures).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { follow, recipes } from './recipes.ts';

const test = suite('train/recipes');

/** What must come out at least: held out, and of what the model knew. */
const bars = { 'new facts': [0.6, 0.6], 'an answer style': [0.6, 0.4], 'a classifier': [0.6, 0.7] };

for (const make of recipes) {
  const recipe = make();
  test(`${recipe.name} is learned beyond its lines`, async () => {
    const { before, after, oldBefore, oldAfter } = await follow(recipe, 20);
    const [heldOut, old] = bars[recipe.name as keyof typeof bars];
    assert.ok(before < 0.2, `${before} before`);
    assert.ok(after >= heldOut, `${after} after`);
    assert.ok(oldBefore > 0.9 && oldAfter >= old, `old questions: ${oldBefore}, then ${oldAfter}`);
  });
}

test.run();
