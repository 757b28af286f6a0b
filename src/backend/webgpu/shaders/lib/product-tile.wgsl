// 64 x 64 products of rows of x and of a weight, by a workgroup of 128 lanes, a lane 4 rows of x
// times 8 of W. Both go by 8 columns through the workgroup's memory, four columns a vec4. A shader
// says what columns c .. c + 3 of a row are, x_part(row, c) and w_part(row, c), rows behind the
// last too, and takes what comes out: leave(row of x, row of W, sum). In uniform control flow.
// uses: lib/eights
const TILE: u32 = 64;
var<workgroup> xs: array<vec4<f32>, TILE * 2>;
var<workgroup> ws: array<vec4<f32>, TILE * 2>;

// Where four q of a row lies: lanes that read the same four of eight rows read from all banks.
fn place(row: u32, q: u32) -> u32 { return row * 2 + (q ^ (row / 4 % 2)); }

// Rows of W, eight apart.
fn four_rows(at: u32) -> mat4x4<f32> {
  return transpose(mat4x4<f32>(ws[at], ws[at + 16], ws[at + 32], ws[at + 48]));
}

fn multiply_tile(first: u32, first_row: u32, lane: u32) {
  let token = lane / 8; // and those 16, 32, 48 behind it
  let row = lane % 8; // and those 8, 16 .. 56 behind it
  var low = mat4x4<f32>(); // a column a token, of the first four rows
  var high = mat4x4<f32>();
  let at = place(lane / 2, lane % 2); // what a lane brings
  for (var k = 0u; k < p.k; k += 8) {
    let c = k + lane % 2 * 4;
    xs[at] = x_part(first + lane / 2, c);
    ws[at] = w_part(first_row + lane / 2, c);
    workgroupBarrier();
    for (var q = 0u; q < 2; q++) {
      let x_at = place(token, q); // places repeat every 8 rows
      let w_at = place(row, q);
      let x = mat4x4<f32>(xs[x_at], xs[x_at + 32], xs[x_at + 64], xs[x_at + 96]);
      low += four_rows(w_at) * x;
      high += four_rows(w_at + 64) * x;
    }
    workgroupBarrier();
  }
  for (var t = 0u; t < 4; t++) {
    for (var j = 0u; j < 4; j++) {
      leave(first + token + 16 * t, first_row + row + 8 * j, low[t][j]);
      leave(first + token + 16 * t, first_row + row + 32 + 8 * j, high[t][j]);
    }
  }
}
