// Sums over the 64 lanes of a workgroup, which all get: once in a kernel, in uniform control flow.
struct Sums { four: vec4<f32>, one: f32 }
var<workgroup> fours: array<vec4<f32>, 64>;
var<workgroup> ones: array<f32, 64>;

fn sum_of_lanes(lane_sums: Sums, lane: u32) -> Sums {
  fours[lane] = lane_sums.four;
  ones[lane] = lane_sums.one;
  workgroupBarrier();
  if (lane < 8) {
    for (var i = lane + 8; i < 64; i += 8) {
      fours[lane] += fours[i];
      ones[lane] += ones[i];
    }
  }
  workgroupBarrier();
  var sums = Sums(fours[0], ones[0]);
  for (var i = 1u; i < 8; i++) {
    sums.four += fours[i];
    sums.one += ones[i];
  }
  return sums;
}
