// Of each head the rows before a token are to stay: they come first, as tokens ascend.
// uses: lib/heads
struct Params { rows: u32, head: u32, heads: u32, token: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> notes: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var h = lane; h < p.heads; h += 64) {
    var low = 0u;
    var high = length_of(h);
    while (low < high) {
      let middle = (low + high) / 2;
      if (notes[token_at(start_of(h) + middle)] < p.token) { low = middle + 1; } else { high = middle; }
    }
    notes[head_at(h) + 2] = low;
  }
}
