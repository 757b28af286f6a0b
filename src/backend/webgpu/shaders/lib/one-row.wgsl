// Products of one row x with up to three weights. A workgroup takes four rows of weights, its lanes
// go along x together. Where x is normed first (rms-norm.wgsl), products are made of x times the
// norm's weights, and divided by the root behind the sum.
// uses: lib/eights
struct Product {
  y: u32, rows: u32, bias: u32, heads: u32, words: u32, tails: u32,
  // the first workgroup that makes it, and whether it is added to what is there
  group: u32, adds: u32,
}
struct Params { x: u32, k: u32, norm: u32, eps: f32, products: array<Product, 3> }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> norm: array<f32>;

const NONE: u32 = 0xffffffff; // no norm, no bias

fn weight_of(slot: u32, kind: u32) -> Weight {
  let product = p.products[slot];
  return Weight(slot, kind, product.heads, product.words, product.tails, p.k);
}

fn x4(c: u32) -> vec4<f32> { return four_of(p.x, c); }
fn normed(x: vec4<f32>, c: u32) -> vec4<f32> {
  if (p.norm == NONE) { return x; }
  let i = p.norm + c;
  let by = vec4<f32>(norm[i], norm[i + 1], norm[i + 2], norm[i + 3]);
  return select(vec4<f32>(), x * by, before_end_of_x(c));
}
fn norm_factor(squares: f32) -> f32 {
  return select(1.0 / sqrt(squares / f32(max(p.k, 1)) + p.eps), 1.0, p.norm == NONE);
}
