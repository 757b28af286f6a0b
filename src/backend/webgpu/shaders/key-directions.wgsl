// The mean direction of each head's keys, sum of k / norm(k), made as long as 1 (or left 0): a
// workgroup a head, its lanes side by side along the numbers of rows. Norms are known.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rows, lib/gather
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  norms: u32, to: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> notes: array<u32>;
@group(1) @binding(2) var<storage, read> keys: array<u32>;
@group(1) @binding(3) var<storage, read> values: array<u32>;

const LANES: u32 = 256;
var<workgroup> sums: array<vec4<f32>, LANES>;

@compute @workgroup_size(256)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let h = group_index(dispatch);
  if (h >= p.heads) { return; }
  let n = shown(h);
  let quads = (D + 3) / 4;
  let abreast = max(1, LANES / quads);
  var square = 0.0;
  // 256 quads at a time, or several rows
  for (var first = 0u; first < quads; first += LANES) {
    let quad = first + lane % min(quads, LANES);
    var sum = vec4<f32>();
    if (quad < quads && lane < quads * abreast) {
      for (var i = lane / quads; i < n; i += abreast) {
        let row = start_of(h) + i;
        let norm = load(p.norms + place_of(h) + i);
        if (norm > 0) { sum += key4(row, 4 * quad, key_scale(row)) / norm; }
      }
    }
    workgroupBarrier();
    sums[lane] = sum;
    workgroupBarrier();
    if (lane < quads && quad < quads) {
      for (var i = lane + quads; i < min(LANES, quads * abreast); i += quads) { sum += sums[i]; }
      square += dot(sum, sum);
      let to = p.to + h * D + 4 * quad;
      for (var c = 0u; c < min(4, D - 4 * quad); c++) { store(to + c, sum[c]); }
    }
  }
  let squares = gather(vec2<f32>(square, 0.0), lane).x;
  let by = select(0.0, 1.0 / sqrt(squares), squares > 0);
  for (var quad = lane; quad < quads; quad += LANES) {
    for (var c = 0u; c < min(4, D - 4 * quad); c++) {
      let at = p.to + h * D + 4 * quad + c;
      store(at, load(at) * by);
    }
  }
}
