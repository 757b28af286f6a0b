// Whether the bits of a score, but for its sign, are more than `most`: arithmetic on NaN may be
// anything. Where they are, whether queries (1), keys (2) or values (4) are not finite. One
// workgroup: but for a fault it only reads scores.
// uses: lib/work, lib/heads, lib/scores, lib/fault
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  scores: u32, check: u32, queries: u32, query_words: u32, row_words: u32, bits: u32, most: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;
@group(1) @binding(2) var<storage, read_write> keys: array<u32>;
@group(1) @binding(3) var<storage, read_write> values: array<u32>;

const LANES: u32 = 256;
// the first place, from the top down, so that 0 means none
var<workgroup> lowest: atomic<u32>;
var<workgroup> found: u32;
var<workgroup> odd: atomic<u32>;

// of a float, or of two halves
fn is_odd(word: u32, bits: u32) -> bool {
  if (bits == 32) { return (word & 0x7f800000) == 0x7f800000; }
  return (word & 0x7c00) == 0x7c00 || (word & 0x7c000000) == 0x7c000000;
}

// rows of few bits have their floats in the last word
fn look_at_rows(h: u32, lane: u32) {
  let skipped = select(0u, p.row_words - 1, p.bits < 16);
  for (var i = lane; i < shown(h); i += LANES) {
    let row = (start_of(h) + i) * p.row_words;
    for (var w = skipped; w < p.row_words; w++) {
      if (is_odd(keys[row + w], p.bits)) { atomicOr(&odd, 2); }
      if (is_odd(values[row + w], p.bits)) { atomicOr(&odd, 4); }
    }
  }
}

fn tell() {
  let place = ~found;
  for (var h = 0u; h < p.heads; h++) {
    let at = place_of(h);
    if (place < at || place - at >= scored(h)) { continue; }
    raise(NOT_A_NUMBER, vec4<u32>(p.check, h, place - at, atomicLoad(&odd)));
  }
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var h = 0u; h < p.heads; h++) {
    let n = scored(h);
    let at = place_of(h);
    for (var i = lane; i < n; i += LANES) {
      if ((work[p.scores + at + i] & 0x7fffffff) > p.most) { atomicMax(&lowest, ~(at + i)); }
    }
  }
  workgroupBarrier();
  if (lane == 0) { found = atomicLoad(&lowest); }
  if (workgroupUniformLoad(&found) == 0) { return; }
  for (var w = lane; w < p.query_words; w += LANES) {
    if (is_odd(work[p.queries + w], 32)) { atomicOr(&odd, 1); }
  }
  for (var h = 0u; h < p.heads; h++) { look_at_rows(h, lane); }
  workgroupBarrier();
  if (lane == 0) { tell(); }
}
