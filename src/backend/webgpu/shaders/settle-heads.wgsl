// Notes where the heads of a range begin, and how long they are, once they were moved apart.
// uses: lib/heads
struct Params { rows: u32, head: u32, heads: u32, first: u32, end: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> notes: array<u32>;

@compute @workgroup_size(1)
fn main() {
  var total = 0u;
  for (var h = 0u; h < p.heads; h++) { total += min(kept_of(h), length_of(h)); }
  let spare = (p.end - p.first - total) / p.heads;
  var start = p.first;
  for (var h = 0u; h < p.heads; h++) {
    let length = min(kept_of(h), length_of(h));
    notes[head_at(h)] = start;
    notes[head_at(h) + 1] = length;
    start += length + spare;
  }
}
