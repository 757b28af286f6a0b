// What the lanes of a workgroup have, as [sum, largest], which all get: in uniform control flow. A
// barrier costs most of it, so there are few. A shader's LANES are at least 16.
var<workgroup> gathered: array<vec2<f32>, LANES>;

fn with_other(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x + b.x, max(a.y, b.y));
}

fn gather(own: vec2<f32>, lane: u32) -> vec2<f32> {
  workgroupBarrier();
  gathered[lane] = own;
  workgroupBarrier();
  if (lane < 16) {
    var some = own;
    for (var i = lane + 16; i < LANES; i += 16) { some = with_other(some, gathered[i]); }
    gathered[lane] = some;
  }
  workgroupBarrier();
  var all = gathered[0];
  for (var i = 1u; i < 16; i++) { all = with_other(all, gathered[i]); }
  return all;
}
