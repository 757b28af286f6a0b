// Sums over the 64 lanes of a workgroup, which all get; once in a kernel, in uniform control flow.
var<workgroup> lane_sums: array<mat3x4<f32>, 64>;

fn sum_of_lanes(x: mat3x4<f32>, lane: u32) -> mat3x4<f32> {
  lane_sums[lane] = x;
  workgroupBarrier();
  if (lane < 8) {
    var sum = x;
    for (var i = lane + 8; i < 64; i += 8) { sum += lane_sums[i]; }
    lane_sums[lane] = sum;
  }
  workgroupBarrier();
  var sum = lane_sums[0];
  for (var i = 1u; i < 8; i++) { sum += lane_sums[i]; }
  return sum;
}
