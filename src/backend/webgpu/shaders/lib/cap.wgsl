// Numbers that come near a cap, and no further. tanh of WGSL may be off by 1e-5, which would be the
// cap's share of a score: this one is a quotient of polynomials (assembly/math.ts).
fn tanh_of(x: f32) -> f32 {
  let y = clamp(x, -9.0, 9.0);
  let z = y * y;
  let above = ((1.33544108e-8 * z + 2.06089055e-5) * z + 0.00349557763) * z + 0.133810169;
  let below = ((7.7764568e-7 * z + 0.000328561747) * z + 0.0258769425) * z + 0.467143325;
  return y * (above * z + 1.0) / (below * z + 1.0);
}
fn capped(x: f32, cap: f32) -> f32 {
  if (cap == 0) { return x; }
  return cap * tanh_of(x / cap);
}
