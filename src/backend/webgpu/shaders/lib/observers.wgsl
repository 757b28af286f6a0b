// Who looks at the rows of head h: queries 0 .. count * group - 1, query q that of observer q / group
// and its query head q % group. Params have `queries`, `columns`, `count`, `group`, whether they
// are `causal`, and the `size` of smoothing.
// uses: lib/scores
fn query_at(h: u32, q: u32) -> u32 {
  return p.queries + q / p.group * p.columns + (h * p.group + q % p.group) * D;
}
// How many rows a query sees, of n: the first ones.
fn seen_by(q: u32, n: u32) -> u32 {
  return select(n, min(n, n + 1 + q / p.group - min(n, p.count)), p.causal == 1);
}
