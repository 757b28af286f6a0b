// A recurrence over a matrix S [values, keys] a head, token after token: S = decay S + u k^T,
// y = S q. A lane a row of S, so that rows need not know of each other; a workgroup of them reads a
// token's q and k once. DELTA: a delta net, x = q | k | v, else Mamba-2, x = v | k | q.
// uses: lib/index, lib/work, lib/sum
override DELTA: u32;
struct Params {
  y: u32, x: u32, steps: u32, rates: u32, state: u32, tokens: u32, heads: u32, groups: u32,
  values: u32, keys: u32, a: u32, bias: u32, past: u32, eps: f32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> a: array<f32>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read> past: array<f32>;

const MOST_KEYS: u32 = 512;
var<workgroup> q: array<f32, MOST_KEYS>;
var<workgroup> k: array<f32, MOST_KEYS>;

fn softplus(x: f32) -> f32 { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let blocks = (p.values + LANES - 1) / LANES;
  let h = group_index(dispatch) / blocks;
  if (h >= p.heads) { return; }
  let v = (group_index(dispatch) % blocks) * LANES + lane;
  let inner = p.heads * p.values;
  let columns = inner + 2 * p.groups * p.keys;
  let group = select(h / (p.heads / p.groups), h % p.groups, DELTA == 1);
  let first = group * p.keys;
  let second = first + p.groups * p.keys;
  let ofQ = select(inner + second, first, DELTA == 1);
  let ofK = select(inner + first, second, DELTA == 1);
  let ofV = select(0, 2 * p.groups * p.keys, DELTA == 1) + h * p.values + v;
  let row = p.state + (h * p.values + v) * p.keys;
  for (var t = 0u; t < p.tokens; t++) {
    let x = p.x + t * columns;
    workgroupBarrier();
    var squares = vec4<f32>();
    for (var j = lane; j < p.keys; j += LANES) {
      q[j] = load(x + ofQ + j);
      k[j] = load(x + ofK + j);
      squares += vec4(q[j] * q[j], k[j] * k[j], 0.0, 0.0);
    }
    var by = vec2(1.0, 1.0);
    if (DELTA == 1) {
      let sums = sum_of_lanes(Sums(squares, 0.0), lane).four.xy;
      by = 1.0 / sqrt(sums + vec2(p.eps, p.eps));
      by.x /= sqrt(f32(p.keys));
    }
    workgroupBarrier();
    if (v < p.values) {
      let at = t * p.heads + h;
      let step = softplus(load(p.steps + at) + bias[p.bias + h]);
      let decay = exp(a[p.a + h] * step);
      let own = load(x + ofV);
      var u = own * step;
      if (DELTA == 1) {
        var known = 0.0;
        for (var j = 0u; j < p.keys; j++) { known += load(row + j) * k[j]; }
        u = (own - decay * known * by.y) / (1.0 + exp(-load(p.rates + at)));
      }
      var y = 0.0;
      for (var j = 0u; j < p.keys; j++) {
        let s = decay * load(row + j) + u * by.y * k[j];
        store(row + j, s);
        y += s * q[j];
      }
      y *= by.x;
      if (DELTA != 1) { y += past[p.past + h] * own; }
      store(p.y + t * inner + h * p.values + v, y);
    }
  }
}
