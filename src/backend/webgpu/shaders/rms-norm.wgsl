// y[r] = x[r] / sqrt(mean(x[r]^2) + eps) * w, a workgroup a row; y may be x.
// uses: lib/index, lib/norm
@group(1) @binding(1) var<storage, read> w: array<f32>;

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let row = group_index(dispatch);
  if (row >= p.rows) { return; }
  let first = row * p.columns;
  let by = norm_of(first, lane);
  for (var j = lane; j < p.columns; j += LANES) {
    store(p.y + first + j, load(p.x + first + j) * by * w[p.w + j]);
  }
}
