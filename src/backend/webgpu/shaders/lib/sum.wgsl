// Sums over the lanes of a workgroup, which all get: once in a kernel, in uniform control flow.
// Where a processor plays them lanes are few: a workgroup costs the more there the more it has.
override LANES: u32 = 64; // at least 4

struct Sums { four: vec4<f32>, one: f32 }
var<workgroup> fours: array<vec4<f32>, LANES>;
var<workgroup> ones: array<f32, LANES>;

fn sum_of_lanes(own: Sums, lane: u32) -> Sums {
  fours[lane] = own.four;
  ones[lane] = own.one;
  workgroupBarrier();
  if (LANES > 8) {
    if (lane < 8) {
      for (var i = lane + 8; i < LANES; i += 8) {
        fours[lane] += fours[i];
        ones[lane] += ones[i];
      }
    }
    workgroupBarrier();
  }
  var sums = Sums(fours[0], ones[0]);
  for (var i = 1u; i < min(8, LANES); i++) {
    sums.four += fours[i];
    sums.one += ones[i];
  }
  return sums;
}
