// The best rows by their scores, exactly as many as are wanted, ties to the lower row and then the
// lower head. A workgroup chooses from `each` heads together, by the digits of ranks (lib/rank):
// how many ranks begin with each digit tells the first digit of the last rank that is chosen, and
// so on. Then each lane goes through a run of rows, in order.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rank
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  // marks: chosen rows get score infinity and are not listed
  marks: u32, each: u32, scores: u32, kept: u32, wanted: u32, sinks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 256;
const INFINITY: u32 = 0x7f800000;
var<workgroup> counts: array<atomic<u32>, LANES>;
// rows of a lane's run that are above the cut, and that are at it; then those of the runs before
var<workgroup> above: array<u32, LANES>;
var<workgroup> ties: array<u32, LANES>;
// the rank of the last row chosen, and how many of that rank
var<workgroup> cut: u32;
var<workgroup> left: u32;
var<workgroup> quota: u32; // of the head at hand
var<workgroup> sinks: atomic<u32>;

fn rank(h: u32, i: u32) -> u32 { return rank_of(work[p.scores + place_of(h) + i]); }

fn find_cut(first: u32, to: u32, lane: u32) {
  var known = 0u; // bits of the cut
  for (var shift = 32u; shift > 0; ) {
    shift -= 8;
    atomicStore(&counts[lane], 0);
    workgroupBarrier();
    let prefix = cut;
    for (var h = first; h < to; h++) {
      let n = scored(h);
      for (var i = lane; i < n; i += LANES) {
        let own = rank(h, i);
        if ((own & known) == prefix) { atomicAdd(&counts[(own >> shift) & 255], 1); }
      }
    }
    workgroupBarrier();
    if (lane == 0) {
      var digit = 255u;
      for (; digit > 0; digit--) {
        let count = atomicLoad(&counts[digit]);
        if (count >= left) { break; }
        left -= count;
      }
      cut = prefix | (digit << shift);
    }
    known |= 255u << shift;
    workgroupBarrier();
  }
}

// counts of runs become counts of the runs before; lane 0 does it for all
fn add_up(h: u32) {
  var all = vec2(0u, 0u);
  for (var i = 0u; i < LANES; i++) {
    let own = vec2(above[i], ties[i]);
    above[i] = all.x;
    ties[i] = all.y;
    all += own;
  }
  quota = min(all.y, left);
  left -= quota;
  if (p.marks == 0) { notes[head_at(h) + 2] = all.x + quota; }
}

fn choose(h: u32, lane: u32) {
  let n = scored(h);
  let run = (n + LANES - 1) / LANES;
  let begin = min(n, lane * run);
  let end = min(n, begin + run);
  var own = vec2(0u, 0u);
  for (var i = begin; i < end; i++) {
    let r = rank(h, i);
    own += vec2(u32(r > cut), u32(r == cut));
  }
  above[lane] = own.x;
  ties[lane] = own.y;
  workgroupBarrier();
  if (lane == 0) { add_up(h); }
  workgroupBarrier();
  var tied = ties[lane];
  var to = above[lane] + min(tied, quota);
  for (var i = begin; i < end; i++) {
    let r = rank(h, i);
    if (r > cut || (r == cut && tied < quota)) {
      let at = place_of(h);
      if (p.marks == 1) { work[p.scores + at + i] = INFINITY; } else { work[p.kept + at + to] = i; }
      to++;
    }
    tied += u32(r == cut);
  }
}

@compute @workgroup_size(256)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let first = group_index(dispatch) * p.each;
  if (first >= p.heads) { return; }
  let to = first + p.each;
  for (var h = first + lane; h < to; h += LANES) {
    let count = rows_before(h, shown(h), p.sinks);
    atomicAdd(&sinks, count);
    if (p.marks == 0) { notes[head_at(h) + 3] = count; }
  }
  workgroupBarrier();
  if (lane == 0) {
    cut = 0;
    left = p.each * p.wanted + atomicLoad(&sinks);
  }
  workgroupBarrier();
  find_cut(first, to, lane);
  for (var h = first; h < to; h++) { choose(h, lane); }
}
