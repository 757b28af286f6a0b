// Products of pairs with their experts' matrices, up to 64 pairs of an expert and 64 rows a
// workgroup: group-choice.wgsl says which.
// uses: lib/index, lib/expert, lib/product-tile
var<workgroup> tile: vec3<u32>;
var<private> own: vec3<u32>; // expert, first pair in the order, and how many

fn sorted_pair(i: u32) -> u32 { return work[p.order + i]; }
fn x_part(i: u32, c: u32) -> vec4<f32> {
  return four_of(x_row(sorted_pair(min(i, own.y + own.z - 1))), c);
}
fn w_part(row: u32, c: u32) -> vec4<f32> { return weight4(weight_here(), any_row(own.x, row), c); }
fn leave(i: u32, row: u32, sum: f32) {
  if (i < own.y + own.z) { leave_row(sorted_pair(i), own.x, row, sum); }
}

@compute @workgroup_size(128)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch);
  let first_row = i / p.tiles * TILE;
  if (first_row >= p.m) { return; }
  if (lane == 0) {
    let at = p.table + i % p.tiles * 3;
    tile = vec3<u32>(work[at], work[at + 1], work[at + 2]);
  }
  let found = workgroupUniformLoad(&tile);
  if (found.z == 0) { return; }
  own = found;
  multiply_tile(own.y, first_row, lane);
}
