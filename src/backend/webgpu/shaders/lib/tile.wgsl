// Products of 32 keys of a head with 32 vectors of D numbers, by a workgroup of 64 lanes: lane l
// has rows l / 8 + 8 a and vectors l % 8 + 8 b, a and b from 0 to 3. A shader says with
// vector_at(v) where vector v begins in the work buffer, and which rows and vectors are there.
// uses: lib/work, lib/rows
const TILE: u32 = 32;
const LANES: u32 = 64;
const PARTS: u32 = 4; // of 4 numbers, that are at hand at a time
var<workgroup> key_parts: array<vec4<f32>, 128>;
var<workgroup> vector_parts: array<vec4<f32>, 128>;

// Row a of the result: products of the lane's row a with its four vectors.
fn products(row: u32, rows: u32, vector: u32, vectors: u32, lane: u32) -> mat4x4<f32> {
  var sums = mat4x4<f32>();
  for (var j = 0u; j < D; j += 4 * PARTS) {
    workgroupBarrier();
    for (var i = lane; i < TILE * PARTS; i += LANES) {
      let at = j + i / TILE * 4;
      key_parts[i] = key_part(row, rows, i % TILE, at);
      vector_parts[i] = vector_part(vector, vectors, i % TILE, at);
    }
    workgroupBarrier();
    for (var part = 0u; part < PARTS; part++) {
      let k = part * TILE + lane / 8;
      let v = part * TILE + lane % 8;
      for (var a = 0u; a < 4; a++) {
        let key = key_parts[k + 8 * a];
        sums[a] += vec4<f32>(
          dot(key, vector_parts[v]), dot(key, vector_parts[v + 8]),
          dot(key, vector_parts[v + 16]), dot(key, vector_parts[v + 24]),
        );
      }
    }
  }
  return sums;
}

fn key_part(first: u32, count: u32, i: u32, j: u32) -> vec4<f32> {
  if (i >= count || j >= D) { return vec4<f32>(); }
  return key4(first + i, j, key_scale(first + i));
}
fn vector_part(first: u32, count: u32, i: u32, j: u32) -> vec4<f32> {
  var part = vec4<f32>();
  if (i >= count) { return part; }
  let at = vector_at(first + i);
  for (var c = 0u; c < 4; c++) {
    if (j + c < D) { part[c] = load(at + j + c); }
  }
  return part;
}
