// The logit m . k + k C k / 2 of each key with the mean m and covariance C of a query head of each
// kv head (covariance.wgsl), `turn` of its group. A workgroup has 32 keys.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rows, lib/tile
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  tiles: u32, to: u32, drawn: u32, group: u32, turn: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> notes: array<u32>;
@group(1) @binding(2) var<storage, read> keys: array<u32>;
@group(1) @binding(3) var<storage, read> values: array<u32>;

var<private> mean_at: u32;
var<workgroup> length: u32;
var<workgroup> parts: array<array<f32, 8>, TILE>;

fn vector_at(j: u32) -> u32 { return mean_at + (1 + j) * D; }

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  if (index >= p.heads * p.tiles) { return; }
  let h = index / p.tiles;
  let first = index % p.tiles * TILE;
  mean_at = p.drawn + (h * p.group + p.turn) * (D + 1) * D;
  if (lane == 0) { length = shown(h); }
  let n = workgroupUniformLoad(&length);
  if (first >= n) { return; }
  let row = start_of(h) + first;
  var sums = vec4<f32>();
  for (var j = 0u; j < D; j += TILE) {
    let turned = products(row, n - first, j, D - j, lane);
    for (var b = 0u; b < 4; b++) {
      let c = j + lane % 8 + 8 * b;
      if (c >= D) { continue; }
      for (var a = 0u; a < 4; a++) {
        let i = row + min(n - first - 1, lane / 8 + 8 * a);
        let key = key4(i, c & ~3u, key_scale(i))[c & 3];
        sums[a] += key * (turned[a][b] / 2 + load(mean_at + c));
      }
    }
  }
  for (var a = 0u; a < 4; a++) { parts[lane / 8 + 8 * a][lane % 8] = sums[a]; }
  workgroupBarrier();
  if (lane >= TILE || first + lane >= n) { return; }
  var logit = 0.0;
  for (var i = 0u; i < 8; i++) { logit += parts[lane][i]; }
  store(p.to + place_of(h) + first + lane, logit);
}
