// y[i] += bias[i % columns].
// uses: lib/index, lib/work
struct Params { y: u32, bias: u32, count: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> bias: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = group_index(group, groups) * 64 + lane;
  if (i < p.count) { store(p.y + i, load(p.y + i) + bias[p.bias + i % p.columns]); }
}
