// Prefill that somebody stops.
import * as assert from 'uvu/assert';
import { prefill } from '../src/engine/prefill.ts';
import type { Run } from '../src/engine/run.ts';

/** Takes tokens in, and aborts once so many are done: that rejects with the signal's reason. */
export async function stoppedAt(done: number, run: Run, tokens: readonly number[]): Promise<void> {
  const abort = new AbortController();
  const reason = new Error('stop');
  const { signal } = abort;
  const onBlock = (progress: { readonly doneTokens: number }) => {
    if (progress.doneTokens === done) abort.abort(reason);
  };
  const ended = await prefill(run, tokens, { signal, onBlock }).catch((error: unknown) => error);
  assert.is(ended, reason);
}
