// Of each head the rows before a token are to stay.
// uses: lib/heads
struct Params { rows: u32, head: u32, heads: u32, token: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> notes: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var h = lane; h < p.heads; h += 64) {
    notes[head_at(h) + 2] = rows_before(h, length_of(h), p.token);
  }
}
