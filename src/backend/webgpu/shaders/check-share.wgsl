// Where more rows of a range were chosen than its share, that is a fault, and all rows stay.
// uses: lib/fault, lib/heads
struct Params { rows: u32, head: u32, heads: u32, range: u32, share: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

@compute @workgroup_size(1)
fn main() {
  var total = 0u;
  for (var h = 0u; h < p.heads; h++) { total += kept_of(h); }
  if (total <= p.share) { return; }
  raise(TOO_MANY_KEPT, vec4<u32>(p.range, total, p.share, 0));
  for (var h = 0u; h < p.heads; h++) { notes[head_at(h) + 2] = 0xffffffff; }
}
