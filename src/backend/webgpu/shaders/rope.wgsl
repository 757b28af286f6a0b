// Turns pairs of numbers of each head by its token's angles [cos | sin]: (2j, 2j + 1) or
// (j, j + rotated / 2).
// uses: lib/index, lib/work
override PAIRS: u32;
struct Params { x: u32, angles: u32, rows: u32, heads: u32, d: u32, rotated: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let half = p.rotated / 2;
  let i = group_index(dispatch) * 64 + lane;
  if (i >= p.rows * half) { return; }
  let row = i / half;
  let j = i % half;
  let angle = p.angles + row / p.heads * p.rotated + j;
  let cosine = load(angle);
  let sine = load(angle + half);
  let a = p.x + row * p.d + select(j, 2 * j, PAIRS == 1);
  let b = a + select(half, 1u, PAIRS == 1);
  let x = load(a);
  let y = load(b);
  store(a, x * cosine - y * sine);
  store(b, x * sine + y * cosine);
}
