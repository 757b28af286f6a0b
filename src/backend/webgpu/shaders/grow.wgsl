// Heads of a layer get `more` rows that were stored behind them, or lose `fewer` of their last.
// uses: lib/fault, lib/room
struct Params {
  rows: u32, head: u32, last: u32, end: u32, layer: u32, kv_heads: u32, more: u32, fewer: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 64;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var h = lane; h < p.kv_heads; h += LANES) {
    let length = length_of(h);
    if (length < p.fewer) {
      raise(TOO_FEW_ROWS, vec4<u32>(p.fewer, length, 0, 0));
    } else if (room_of(h) >= p.more) {
      notes[head_at(h) + 1] = length + p.more - p.fewer;
    }
  }
}
