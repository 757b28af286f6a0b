// Sorts pairs by their experts, and cuts what an expert has into tiles: [expert, first, count], the
// tiles that are left counting 0. One workgroup; pairs of an expert come in any order.
override E: u32;
struct Params { ids: u32, pairs: u32, order: u32, table: u32, tiles: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const TILE: u32 = 64; // lib/product-tile
const LANES: u32 = 64;
var<workgroup> places: array<atomic<u32>, E>;

// Counts become where experts begin.
fn cut() {
  var begin = 0u;
  var at = p.table;
  let end = at + 3 * p.tiles;
  for (var e = 0u; e < E; e++) {
    let count = atomicLoad(&places[e]);
    atomicStore(&places[e], begin);
    for (var i = 0u; i < count; i += TILE) {
      work[at] = e;
      work[at + 1] = begin + i;
      work[at + 2] = min(TILE, count - i);
      at += 3;
    }
    begin += count;
  }
  for (; at < end; at += 3) { work[at + 2] = 0; }
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var e = lane; e < E; e += LANES) { atomicStore(&places[e], 0); }
  workgroupBarrier();
  for (var i = lane; i < p.pairs; i += LANES) { atomicAdd(&places[work[p.ids + i]], 1); }
  workgroupBarrier();
  if (lane == 0) { cut(); }
  workgroupBarrier();
  for (var i = lane; i < p.pairs; i += LANES) {
    work[p.order + atomicAdd(&places[work[p.ids + i]], 1)] = i;
  }
}
