// Gates of feed-forward blocks; gelu by its tanh form, 0.79.. = sqrt(2 / pi). tanh is NaN far out on
// some devices: it is 1 from 15 on.
fn silu(x: f32) -> f32 { return x / (1.0 + exp(-x)); }
fn gelu(x: f32) -> f32 {
  let inner = 0.7978845608 * (x + 0.044715 * x * x * x);
  return x * (1.0 + tanh(clamp(inner, -15.0, 15.0))) / 2.0;
}

// A gate applied to the number beside it (product.ts): 0 silu, 1 gelu, 2 clamped.
fn gated(gate: f32, up: f32, how: u32) -> f32 {
  if (how == 2) {
    let open = min(gate, 7.0);
    return open / (1.0 + exp(-1.702 * open)) * (clamp(up, -7.0, 7.0) + 1.0);
  }
  return select(silu(gate), gelu(gate), how == 1) * up;
}
