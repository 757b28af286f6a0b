// to[i] = from[i] within one buffer, whose regions may overlap: one workgroup goes forwards, or
// backwards where the target lies behind the source, a tile at a time.
struct Params { to: u32, first: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> memory: array<u32>;

const TILE: u32 = 256;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let tiles = (p.count + TILE - 1) / TILE;
  for (var t = 0u; t < tiles; t++) {
    let tile = select(t, tiles - 1 - t, p.to > p.first);
    let i = tile * TILE + lane;
    var word = 0u;
    if (i < p.count) { word = memory[p.first + i]; }
    storageBarrier();
    if (i < p.count) { memory[p.to + i] = word; }
    storageBarrier();
  }
}
