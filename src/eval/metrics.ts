// How right an answer is.

/** Equal after trimming. */
export function exactMatch(answer: string, expected: string): boolean {
  return answer.trim() === expected.trim();
}

/** F1 over words (SQuAD's: lower case, no punctuation, no articles). */
export function tokenF1(answer: string, expected: string): number {
  const words = (text: string) =>
    (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((w) => !/^(a|an|the)$/.test(w));
  const given = words(answer);
  const wanted = words(expected);
  if (given.length === 0 || wanted.length === 0) return given.length === wanted.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of given) {
    const count = left.get(word) ?? 0;
    if (count > 0) {
      common++;
      left.set(word, count - 1);
    }
  }
  if (common === 0) return 0;
  const precision = common / given.length;
  const recall = common / wanted.length;
  return (2 * precision * recall) / (precision + recall);
}
