// The choice of experts by what they weigh, and biases.
// uses: lib/route
@group(1) @binding(1) var<storage, read> bias: array<f32>;
const BIASED: bool = true;
fn bias_of(e: u32) -> f32 { return bias[p.bias + e]; }
