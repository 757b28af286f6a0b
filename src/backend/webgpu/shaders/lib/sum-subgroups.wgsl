// lib/sum with one barrier: each subgroup sums up its own lanes, then every subgroup the sums of all.
// Those lie where the first lane of each would be, with zeros between them: an order of lanes in
// subgroups is not promised, and sums in a fixed order have the same bits in every run.
// uses: lib/subgroup
override LANES: u32 = 64; // at least 4

struct Sums { four: vec4<f32>, one: f32 }
var<workgroup> fours: array<vec4<f32>, LANES>;
var<workgroup> ones: array<f32, LANES>;

fn sum_of_lanes(own: Sums, lane: u32) -> Sums {
  let four = subgroupAdd(own.four);
  let one = subgroupAdd(own.one);
  let is_first = subgroupElect();
  fours[lane] = select(vec4<f32>(), four, is_first);
  ones[lane] = select(0.0, one, is_first);
  workgroupBarrier();
  let place = place_in_subgroup();
  var some = Sums();
  for (var i = place.index; i < LANES; i += place.size) {
    some.four += fours[i];
    some.one += ones[i];
  }
  return Sums(subgroupAdd(some.four), subgroupAdd(some.one));
}
