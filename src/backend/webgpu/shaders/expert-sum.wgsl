// y[t] = sum of a token's pairs, times what they weigh, or y += that.
// uses: lib/index, lib/work
struct Params { y: u32, x: u32, weights: u32, tokens: u32, used: u32, columns: u32, adds: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i >= p.tokens * p.columns) { return; }
  let pair = i / p.columns * p.used;
  var y = 0.0;
  if (p.adds == 1) { y = load(p.y + i); }
  for (var j = 0u; j < p.used; j++) {
    y += load(p.weights + pair + j) * load(p.x + (pair + j) * p.columns + i % p.columns);
  }
  store(p.y + i, y);
}
