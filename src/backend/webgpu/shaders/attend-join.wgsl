// What shares of the rows left of a query (attend-one.wgsl) becomes its attention: a workgroup a
// query.
// uses: lib/index, lib/work, lib/hadamard, lib/sinks
struct Params { out: u32, partial: u32, queries: u32, shares: u32, sinks: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> sinks: array<f32>;

const LANES: u32 = 64;
var<workgroup> spin: array<f32, D>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let query = group_index(dispatch);
  if (query >= p.queries) { return; }
  let first = p.partial + query * (D + 2);
  let step = p.queries * (D + 2);
  var peak = load(first + D);
  for (var i = 1u; i < p.shares; i++) { peak = max(peak, load(first + i * step + D)); }
  for (var j = lane; j < D; j += LANES) {
    var sum = 0.0;
    var total = sink_of(query, peak);
    for (var i = 0u; i < p.shares; i++) {
      let share = first + i * step;
      let by = exp(load(share + D) - peak);
      sum += by * load(share + j);
      total += by * load(share + D + 1);
    }
    spin[j] = sum / total;
  }
  if (ROWS < 16) { unrotate(1, lane, LANES); }
  for (var j = lane; j < D; j += LANES) { store(p.out + query * D + j, spin[j]); }
}
