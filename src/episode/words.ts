// Words as the lexical embedder counts them, and those that tell a cluster from the rest.
import { stemmer } from 'stemmer';

/** Words that say nothing of a topic. */
const STOP_WORDS = new Set(
  `a about after again all also am an and any are as at be because been before being but by can could did do does doing don down for from further get go going got had has have having he her here hers
  him his how i if in into is it its just know let like ll me more most my no nor not now of off on once only or other our out over own re really s said same say says she so some such t than that the
  their them then there these they thing things think this those through to too under until up us very was we well were what when where which while who whom why will with would yes you your ve`.split(
    /\s+/,
  ),
);

/** Words of a text in lower case, without stop words. */
function plainWords(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((w) => !STOP_WORDS.has(w));
}

/**
 * Words of a text reduced to their stems (Porter's), so that 'cooked', 'cooks' and 'cooking' meet;
 * stop words are left out.
 */
export function wordsOf(text: string): string[] {
  return plainWords(text).map(stemmer);
}

/**
 * Times that a word counts as seen everywhere else: keeps words that were said once or twice from
 * telling most.
 */
const SMOOTHING = 1;

/**
 * The `count` words of each of E clusters that are most its own: said often in it, and in a larger
 * share than elsewhere.
 */
export function tellingWords(
  texts: readonly string[],
  labels: readonly number[],
  E: number,
  count: number,
): string[][] {
  const inside = Array.from({ length: E }, () => new Map<string, number>());
  const forms = new Map<string, Map<string, number>>(); // how a stem was written, and how often
  const add = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  texts.forEach((text, i) => {
    for (const word of plainWords(text)) {
      const stem = stemmer(word);
      add(inside[labels[i]], stem);
      if (!forms.has(stem)) forms.set(stem, new Map());
      add(forms.get(stem)!, word);
    }
  });
  const sumOf = (words: Map<string, number>) => [...words.values()].reduce((a, b) => a + b, 0);
  const totals = inside.map(sumOf);
  const all = totals.reduce((a, b) => a + b, 0);
  return inside.map((words, e) => {
    const telling = [...words].map(([stem, n]) => {
      const elsewhere = inside.reduce(
        (sum, other, o) => sum + (o === e ? 0 : (other.get(stem) ?? 0)),
        0,
      );
      const ratio = (n / totals[e]) * ((all - totals[e] + SMOOTHING) / (elsewhere + SMOOTHING));
      return { stem, weight: n * Math.log(ratio) };
    });
    telling.sort((a, b) => b.weight - a.weight || (a.stem < b.stem ? -1 : 1));
    const written = (stem: string) =>
      [...forms.get(stem)!].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0][0];
    return telling
      .slice(0, count)
      .filter((t) => t.weight > 0)
      .map((t) => written(t.stem));
  });
}
