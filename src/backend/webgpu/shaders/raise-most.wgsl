// In each head, a workgroup a head, the rows with the most looks, in order, get the best score,
// until their share of all looks reaches what is wanted, or they are `most`: found by the digits of
// ranks as in select.wgsl, with the looks of each digit beside how many there are. Shares are whole
// numbers, so that their sums know no order.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rank, lib/gather
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  scores: u32, looks: u32, most: u32, facts: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 256;
const WHOLE: f32 = 1073741824.0; // 2^30: the sum of all shares, with what rounds up, fits an i32
var<workgroup> counts: array<atomic<u32>, LANES>;
var<workgroup> shares: array<atomic<u32>, LANES>;
var<workgroup> ties: array<u32, LANES>;
// the rank of the last row that is raised, how many of it at most, and the share still wanted
var<workgroup> cut: u32;
var<workgroup> left: u32;
var<workgroup> wanted: i32;

fn look(h: u32, i: u32) -> u32 { return work[p.looks + place_of(h) + i]; }
fn share_of(look: u32, all: f32) -> u32 { return u32(bitcast<f32>(look) / all * WHOLE + 0.5); }

fn sum_of_looks(h: u32, n: u32, lane: u32) -> f32 {
  var own = 0.0;
  for (var i = lane; i < n; i += LANES) { own += bitcast<f32>(look(h, i)); }
  return gather(vec2<f32>(own, 0.0), lane).x;
}

fn find_cut(h: u32, n: u32, all: f32, lane: u32) {
  var known = 0u;
  for (var shift = 32u; shift > 0; ) {
    shift -= 8;
    atomicStore(&counts[lane], 0);
    atomicStore(&shares[lane], 0);
    workgroupBarrier();
    let prefix = cut;
    for (var i = lane; i < n; i += LANES) {
      let own = look(h, i);
      let r = rank_of(own);
      if ((r & known) == prefix) {
        atomicAdd(&counts[(r >> shift) & 255], 1);
        atomicAdd(&shares[(r >> shift) & 255], share_of(own, all));
      }
    }
    workgroupBarrier();
    if (lane == 0) {
      var digit = 255u;
      for (; digit > 0; digit--) {
        let count = atomicLoad(&counts[digit]);
        let share = i32(atomicLoad(&shares[digit]));
        if (count >= left || share >= wanted) { break; }
        left -= count;
        wanted -= share;
      }
      cut = prefix | (digit << shift);
    }
    known |= 255u << shift;
    workgroupBarrier();
  }
}

// of the rows at the cut, the first ones, until the share is reached
fn cut_ties(all: f32) {
  let share = max(1, i32(share_of(bits_of(cut), all)));
  left = min(left, u32(max(0, (wanted + share - 1) / share)));
}

@compute @workgroup_size(256)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let h = group_index(dispatch);
  if (h >= p.heads) { return; }
  let n = scored(h);
  let all = sum_of_looks(h, n, lane);
  if (lane == 0) {
    cut = 0;
    wanted = i32(clamp(load(p.facts + 1), 0.0, 1.0) * WHOLE + 0.5);
    left = select(0u, p.most, all > 0 && wanted > 0);
  }
  workgroupBarrier();
  find_cut(h, n, all, lane);
  if (lane == 0) { cut_ties(all); }
  let run = (n + LANES - 1) / LANES;
  let begin = min(n, lane * run);
  let end = min(n, begin + run);
  ties[lane] = 0;
  for (var i = begin; i < end; i++) { ties[lane] += u32(rank_of(look(h, i)) == cut); }
  workgroupBarrier();
  var tied = 0u;
  for (var before = 0u; before < lane; before++) { tied += ties[before]; }
  for (var i = begin; i < end; i++) {
    let r = rank_of(look(h, i));
    if (r > cut || (r == cut && tied < left)) { work[p.scores + place_of(h) + i] = work[p.facts]; }
    tied += u32(r == cut);
  }
}
