// y = activation(Wgate x + bias) * (Wup x + bias) for one row x.
// uses: lib/index, lib/work, lib/activation, lib/weights, lib/sum, lib/one-row
override KIND0: u32;
override KIND1: u32;
override HOW: u32;
@group(1) @binding(2) var<storage, read> gate: array<u32>;
@group(1) @binding(3) var<storage, read> up: array<u32>;
@group(1) @binding(4) var<storage, read> gate_bias: array<f32>;
@group(1) @binding(5) var<storage, read> up_bias: array<f32>;

fn stored(slot: u32, i: u32) -> u32 {
  if (slot == 0) { return gate[i]; }
  return up[i];
}

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let first = 2 * group_index(dispatch);
  let rows = p.products[0].rows;
  if (first >= rows) { return; }
  let apart = partner_of(KIND0);
  let eights = eights_of(apart);
  var lanes = Sums(); // two rows of the gate, the same two of the other
  for (var i = lane; i < eights; i += LANES) {
    let c = column_of(i, apart);
    let a = x4(c);
    let b = x4(c + apart);
    lanes.one += dot(a, a) + dot(b, b);
    let scaled_a = normed(a, c);
    let scaled_b = normed(b, c + apart);
    for (var r = 0u; r < 2; r++) {
      let row = min(first + r, rows - 1);
      lanes.four[r] += row_with(weight_of(0, KIND0), row, c, apart, scaled_a, scaled_b);
      lanes.four[r + 2] += row_with(weight_of(1, KIND1), row, c, apart, scaled_a, scaled_b);
    }
  }
  let sums = sum_of_lanes(lanes, lane);
  let row = first + lane;
  if (lane >= 2 || row >= rows) { return; }
  let by = norm_factor(sums.one);
  var open = sums.four[lane] * by;
  var x = sums.four[lane + 2] * by;
  let bias = vec2<u32>(p.products[0].bias, p.products[1].bias);
  if (bias.x != NONE) { open += gate_bias[bias.x + row]; }
  if (bias.y != NONE) { x += up_bias[bias.y + row]; }
  store(p.products[0].y + row, gated(open, x, HOW));
}
