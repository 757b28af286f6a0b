// Whether scores have NaN, by its bits: arithmetic on it may be anything. `found` keeps the number
// of the first check that found one, and the lowest place, both from the top down, so that 0 means
// none.
// uses: lib/index, lib/heads, lib/scores
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  tiles: u32, scores: u32, check: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;
@group(1) @binding(2) var<storage, read_write> found: array<atomic<u32>>;

const LANES: u32 = 64;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group_index(group, groups);
  let h = index / p.tiles;
  if (h >= p.heads || atomicLoad(&found[0]) > ~p.check) { return; }
  let n = scored(h);
  for (var i = index % p.tiles * LANES + lane; i < n; i += p.tiles * LANES) {
    if ((work[p.scores + place_of(h) + i] & 0x7fffffff) > 0x7f800000) {
      atomicMax(&found[0], ~p.check);
      atomicMax(&found[1], ~(h << 24 | i));
    }
  }
}
