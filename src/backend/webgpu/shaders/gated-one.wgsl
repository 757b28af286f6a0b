// y = activation(Wgate x + bias) * (Wup x + bias) for one row x.
// uses: lib/index, lib/work, lib/activation, lib/weights, lib/sum, lib/one-row
override KIND0: u32;
override KIND1: u32;
override GELU: u32;
@group(1) @binding(2) var<storage, read> gate: array<u32>;
@group(1) @binding(3) var<storage, read> up: array<u32>;
@group(1) @binding(4) var<storage, read> gate_bias: array<f32>;
@group(1) @binding(5) var<storage, read> up_bias: array<f32>;

fn stored(slot: u32, i: u32) -> u32 {
  if (slot == 0) { return gate[i]; }
  return up[i];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let product = p.products[0];
  let first = 4 * group_index(group, groups);
  if (first >= product.rows) { return; }
  let rows = rows_from(first, product.rows);
  let apart = partner_of(KIND0);
  let eights = eights_of(apart);
  var sums = mat3x4<f32>();
  for (var i = lane; i < eights; i += 64) {
    let c = column_of(i, apart);
    let a = x4(c);
    let b = x4(c + apart);
    sums[2].x += dot(a, a) + dot(b, b);
    let scaled_a = normed(a, c);
    let scaled_b = normed(b, c + apart);
    sums[0] += four_rows(weight_of(0, KIND0), rows, c, apart, scaled_a, scaled_b);
    sums[1] += four_rows(weight_of(1, KIND1), rows, c, apart, scaled_a, scaled_b);
  }
  sums = sum_of_lanes(sums, lane);
  let row = first + lane;
  if (lane >= 4 || row >= product.rows) { return; }
  let by = norm_factor(sums[2].x);
  var open = sums[0][lane] * by;
  var x = sums[1][lane] * by;
  if (product.bias != NONE) { open += gate_bias[product.bias + row]; }
  if (p.products[1].bias != NONE) { x += up_bias[p.products[1].bias + row]; }
  store(product.y + row, select(silu(open), gelu(open), GELU == 1) * x);
}
