// Sinks, a score of each query head that is no row's. A shader binds them as `sinks`, and its
// Params have where they begin as `sinks`.
const NONE: u32 = 0xffffffff;

// What a sink adds to the sum of exp(score - peak). An exponential that has no f32 may be anything:
// this one is as good as endless.
fn sink_of(head: u32, peak: f32) -> f32 {
  if (p.sinks == NONE) { return 0.0; }
  return exp(min(sinks[p.sinks + head] - peak, 80.0));
}
