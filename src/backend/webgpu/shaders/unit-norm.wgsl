// rms-norm.wgsl without weights.
// uses: lib/index, lib/norm
@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let row = group_index(dispatch);
  if (row >= p.rows) { return; }
  let first = row * p.columns;
  let by = norm_of(first, lane);
  for (var j = lane; j < p.columns; j += LANES) {
    store(p.y + first + j, load(p.x + first + j) * by);
  }
}
