// Expecting that work is refused: by an error of which name, saying what.
import * as assert from 'uvu/assert';

export async function rejects(
  work: Promise<unknown>,
  name: string,
  pattern: RegExp,
): Promise<void> {
  try {
    await work;
  } catch (error) {
    assert.is((error as Error).name, name, (error as Error).stack);
    assert.match((error as Error).message, pattern);
    return;
  }
  assert.unreachable('it was accepted');
}
