// y_o = x_o + sum_i c[o S + i] x_i, streams of n tokens one behind the other, c a token's own.
// uses: lib/index, lib/work
struct Params { y: u32, x: u32, c: u32, rows: u32, columns: u32, streams: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  let apart = p.rows * p.columns;
  if (i >= p.streams * apart) { return; }
  let at = i % apart;
  let c = p.c + (at / p.columns * p.streams + i / apart) * p.streams;
  var sum = load(p.x + i);
  for (var s = 0u; s < p.streams; s++) { sum += load(c + s) * load(p.x + s * apart + at); }
  store(p.y + i, sum);
}
