// Numbers that come near a cap, and no further. tanh of WGSL may be off by 1e-5, which would be the
// cap's share of a score: near 0 it is a polynomial (assembly/math.ts), else made of exp.
fn tanh_of(x: f32) -> f32 {
  let z = x * x;
  if (abs(x) < 0.55) {
    let p = ((0.0164589052 * z - 0.0526842179) * z + 0.1332094300) * z - 0.3333295754;
    return x + x * z * p;
  }
  let e = exp(-2.0 * abs(x));
  return sign(x) * (1.0 - e) / (1.0 + e);
}
fn capped(x: f32, cap: f32) -> f32 {
  if (cap == 0) { return x; }
  return cap * tanh_of(x / cap);
}
