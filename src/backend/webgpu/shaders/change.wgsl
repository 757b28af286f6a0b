// What is done to each number by itself: 0 y = max(y, 0)^2, 1 y = cap tanh(y / cap),
// 2 y *= sigmoid(gate).
// uses: lib/index, lib/work, lib/cap
override HOW: u32;
struct Params { y: u32, count: u32, cap: f32, gate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffff) > 0x7f800000; }

fn changed(y: f32, i: u32) -> f32 {
  switch HOW {
    case 0 { let open = max(y, 0.0); return open * open; }
    // NaN stays: whoever draws a token by it has to find it
    case 1 { return select(capped(y, p.cap), y, is_nan(y)); }
    default { return y / (1.0 + exp(-load(p.gate + i))); }
  }
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i < p.count) { store(p.y + i, changed(load(p.y + i), i)); }
}
