// to = by softmax(logits), or to += by softmax(logits), over a head's rows: a workgroup a head.
// uses: lib/index, lib/work, lib/heads, lib/scores
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  to: u32, logits: u32, by: f32, adds: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 256;
var<workgroup> numbers: array<f32, LANES>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let h = group_index(group, groups);
  if (h >= p.heads) { return; }
  let n = shown(h);
  let at = p.logits + place_of(h);
  numbers[lane] = -1e38;
  for (var i = lane; i < n; i += LANES) { numbers[lane] = max(numbers[lane], load(at + i)); }
  workgroupBarrier();
  for (var half = LANES / 2; half > 0; half /= 2) {
    if (lane < half) { numbers[lane] = max(numbers[lane], numbers[lane + half]); }
    workgroupBarrier();
  }
  let most = numbers[0];
  workgroupBarrier();
  numbers[lane] = 0;
  for (var i = lane; i < n; i += LANES) { numbers[lane] += exp(load(at + i) - most); }
  workgroupBarrier();
  for (var half = LANES / 2; half > 0; half /= 2) {
    if (lane < half) { numbers[lane] += numbers[lane + half]; }
    workgroupBarrier();
  }
  let by = p.by / numbers[0];
  for (var i = lane; i < n; i += LANES) {
    let to = p.to + place_of(h) + i;
    let share = by * exp(load(at + i) - most);
    if (p.adds == 1) { store(to, load(to) + share); } else { store(to, share); }
  }
}
