// Products of pairs with their experts' matrices, pair by pair, four rows a workgroup.
// uses: lib/index, lib/sum, lib/expert, lib/eights
@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch);
  let fours = (p.m + 3) / 4;
  let pair = i / fours;
  if (pair >= p.count) { return; }
  let first = i % fours * 4;
  let expert = work[p.ids + pair];
  let x = x_row(pair);
  let w = weight_here();
  let apart = partner_of(WEIGHT);
  var lanes = Sums();
  for (var j = lane; j < eights_of(apart); j += LANES) {
    let c = column_of(j, apart);
    let a = four_of(x, c);
    let b = four_of(x, c + apart);
    for (var r = 0u; r < 4; r++) {
      lanes.four[r] += row_with(w, any_row(expert, first + r), c, apart, a, b);
    }
  }
  let sums = sum_of_lanes(lanes, lane);
  if (lane < 4) { leave_row(pair, expert, first + lane, sums.four[lane]); }
}
