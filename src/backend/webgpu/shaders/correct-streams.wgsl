// x_s = y_s + (1 + c[s]) (x_0 - y_0), streams of n tokens one behind the other, c a token's own.
// uses: lib/index, lib/work
struct Params { x: u32, y: u32, c: u32, rows: u32, columns: u32, streams: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  let apart = p.rows * p.columns;
  if (i >= apart) { return; }
  let c = p.c + i / p.columns * p.streams;
  let change = load(p.x + i) - load(p.y + i);
  for (var s = 0u; s < p.streams; s++) {
    let at = s * apart + i;
    store(p.x + at, load(p.y + at) + (1.0 + load(c + s)) * change);
  }
}
