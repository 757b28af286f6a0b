// Whether numbers of the work buffer are finite, by their bits: one workgroup.
// uses: lib/fault
struct Params { x: u32, count: u32, check: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const LANES: u32 = 256;
var<workgroup> odd: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < p.count; i += LANES) {
    if ((work[p.x + i] & 0x7f800000) == 0x7f800000) { atomicMax(&odd, ~i); }
  }
  workgroupBarrier();
  let found = atomicLoad(&odd);
  if (lane == 0 && found > 0) { raise(NOT_A_NUMBER, vec4<u32>(p.check, 0, ~found, 0)); }
}
