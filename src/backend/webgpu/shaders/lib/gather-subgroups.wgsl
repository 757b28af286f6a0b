// lib/gather with two barriers: each subgroup joins what its own lanes have, then every subgroup
// what all have. A sum lies where a subgroup's first lane is, with zeros elsewhere, as in
// lib/sum-subgroups; the largest may lie everywhere.
// uses: lib/subgroup
var<workgroup> gathered: array<vec2<f32>, LANES>;

fn gather(own: vec2<f32>, lane: u32) -> vec2<f32> {
  let joined = vec2<f32>(subgroupAdd(own.x), subgroupMax(own.y));
  workgroupBarrier();
  gathered[lane] = vec2<f32>(select(0.0, joined.x, subgroupElect()), joined.y);
  workgroupBarrier();
  let place = place_in_subgroup();
  var some = vec2<f32>(0.0, joined.y);
  for (var i = place.index; i < LANES; i += place.size) {
    some = vec2<f32>(some.x + gathered[i].x, max(some.y, gathered[i].y));
  }
  return vec2<f32>(subgroupAdd(some.x), subgroupMax(some.y));
}
