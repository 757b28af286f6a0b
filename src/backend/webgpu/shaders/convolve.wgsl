// y[t, c] = sum_j taps[c, j] input[t + j, c] + bias[c], inputs being K - 1 of the state, then x.
// uses: lib/index, lib/work, lib/activation
struct Params {
  y: u32, x: u32, taps: u32, bias: u32, state: u32, tokens: u32, channels: u32, K: u32,
  biased: u32, silu: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> taps: array<f32>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i >= p.tokens * p.channels) { return; }
  let t = i / p.channels;
  let c = i % p.channels;
  var sum = 0.0;
  if (p.biased == 1) { sum = bias[p.bias + c]; }
  for (var j = 0u; j < p.K; j++) {
    let row = t + j;
    var at = p.state + row * p.channels;
    if (row + 1 >= p.K) { at = p.x + (row + 1 - p.K) * p.channels; }
    sum += taps[p.taps + c * p.K + j] * load(at + c);
  }
  store(p.y + i, select(sum, silu(sum), p.silu == 1));
}
