// The most probable token, and the search for log-odds that nothing can be made of.
import { ModelFormatError } from '../../errors.ts';

/**
 * The index of the largest number, the lower on ties. Throws ModelFormatError where one is NaN,
 * none is more than -Infinity, or one is Infinity: there is no most probable token then.
 */
export function argmax(logits: Float32Array): number {
  // one comparison a number: a NaN is not "at most" anything either, and few are more than all
  // before; four a turn, as the loop itself costs as much as a comparison
  let most = Number.NEGATIVE_INFINITY;
  let at = -1;
  const whole = logits.length - 3;
  for (let i = 0; i < logits.length; i += 4) {
    if (
      i < whole &&
      logits[i] <= most &&
      logits[i + 1] <= most &&
      logits[i + 2] <= most &&
      logits[i + 3] <= most
    )
      continue;
    const end = Math.min(i + 4, logits.length);
    for (let j = i; j < end; j++) {
      if (logits[j] <= most) continue;
      most = logits[j];
      at = j;
      if (!(most < Number.POSITIVE_INFINITY)) throw notFinite(logits);
    }
  }
  if (at < 0) throw notFinite(logits);
  return at;
}

/** The error of log-odds that nothing can be made of, with the first that is to blame. */
export function notFinite(logits: Float32Array): ModelFormatError {
  const odd = logits.findIndex((l) => !(l < Number.POSITIVE_INFINITY));
  const token = Math.max(0, odd);
  return new ModelFormatError(
    `the log-odds of token ${token} are ${logits[token] ?? 'missing'}, expected finite numbers: ` +
      `the model's weights are damaged or overflow, get another copy or type of it`,
  );
}
