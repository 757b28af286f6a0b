// The state of a convolution behind its tokens: the last `rows` inputs, those of the state before the
// others. A lane a channel, so that a row is read before it is written.
// uses: lib/index, lib/work
struct Params { x: u32, state: u32, tokens: u32, channels: u32, rows: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let c = group_index(dispatch) * 64 + lane;
  if (c >= p.channels) { return; }
  for (var i = 0u; i < p.rows; i++) {
    let row = p.tokens + i;
    var at = p.state + row * p.channels;
    if (row >= p.rows) { at = p.x + (row - p.rows) * p.channels; }
    work[p.state + i * p.channels + c] = work[at + c];
  }
}
