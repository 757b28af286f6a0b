// y = W x + bias for up to three weights of any types and one row x, or y += that.
// uses: lib/index, lib/work, lib/weights, lib/sum, lib/one-row
override KIND0: u32;
override KIND1: u32;
override KIND2: u32;
@group(1) @binding(2) var<storage, read> w0: array<u32>;
@group(1) @binding(3) var<storage, read> w1: array<u32>;
@group(1) @binding(4) var<storage, read> w2: array<u32>;
@group(1) @binding(5) var<storage, read> bias0: array<f32>;
@group(1) @binding(6) var<storage, read> bias1: array<f32>;
@group(1) @binding(7) var<storage, read> bias2: array<f32>;

fn stored(slot: u32, i: u32) -> u32 {
  switch slot {
    case 0: { return w0[i]; }
    case 1: { return w1[i]; }
    default: { return w2[i]; }
  }
}

fn bias_at(slot: u32, i: u32) -> f32 {
  switch slot {
    case 0: { return bias0[i]; }
    case 1: { return bias1[i]; }
    default: { return bias2[i]; }
  }
}

fn multiply(slot: u32, kind: u32, group: u32, lane: u32) {
  let product = p.products[slot];
  let first = 4 * (group - product.group);
  if (first >= product.rows) { return; }
  let w = weight_of(slot, kind);
  let apart = partner_of(kind);
  let eights = eights_of(apart);
  var lanes = Sums();
  for (var i = lane; i < eights; i += LANES) {
    let c = column_of(i, apart);
    let a = x4(c);
    let b = x4(c + apart);
    let scaled_a = normed(a, c);
    let scaled_b = normed(b, c + apart);
    for (var r = 0u; r < 4; r++) {
      let row = min(first + r, product.rows - 1);
      lanes.four[r] += row_with(w, row, c, apart, scaled_a, scaled_b);
    }
    lanes.one += dot(a, a) + dot(b, b);
  }
  let sums = sum_of_lanes(lanes, lane);
  let row = first + lane;
  if (lane >= 4 || row >= product.rows) { return; }
  var y = sums.four[lane] * norm_factor(sums.one);
  if (product.bias != NONE) { y += bias_at(slot, product.bias + row); }
  if (product.adds == 1) { y += load(product.y + row); }
  store(product.y + row, y);
}

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch);
  if (i < p.products[1].group) {
    multiply(0, KIND0, i, lane);
  } else if (i < p.products[2].group) {
    multiply(1, KIND1, i, lane);
  } else {
    multiply(2, KIND2, i, lane);
  }
}
