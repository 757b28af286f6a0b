// to = by softmax(logits), or to += by softmax(logits), over a head's rows: a workgroup a head.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/gather
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  to: u32, logits: u32, by: f32, adds: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 256;

@compute @workgroup_size(256)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let h = group_index(dispatch);
  if (h >= p.heads) { return; }
  let n = shown(h);
  let at = p.logits + place_of(h);
  var own = vec2<f32>(0.0, -3e38);
  for (var i = lane; i < n; i += LANES) { own.y = max(own.y, load(at + i)); }
  let most = gather(own, lane).y;
  for (var i = lane; i < n; i += LANES) { own.x += exp(load(at + i) - most); }
  let mass = gather(own, lane).x;
  let by = p.by / mass;
  for (var i = lane; i < n; i += LANES) {
    let to = p.to + place_of(h) + i;
    let share = by * exp(load(at + i) - most);
    if (p.adds == 1) { store(to, load(to) + share); } else { store(to, share); }
  }
}
