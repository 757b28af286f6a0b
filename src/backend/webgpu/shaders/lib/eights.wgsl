// How lanes go along a row of x, of p.k numbers, and one of a weight. A shader's Params have `k`.
// uses: lib/work, lib/weights

// Lanes take eight numbers at a time, two fours that lie `apart`: how many eights there are, and
// where one begins.
fn eights_of(apart: u32) -> u32 { return (p.k + 2 * apart - 1) / (2 * apart) * (apart / 4); }
fn column_of(eight: u32, apart: u32) -> u32 {
  let fours = apart / 4;
  return eight / fours * (2 * apart) + eight % fours * 4;
}

fn before_end_of_x(c: u32) -> vec4<bool> {
  return vec4<u32>(c, c + 1, c + 2, c + 3) < vec4<u32>(p.k);
}
// Numbers c .. c + 3 of a row of x that begins at a word: zeros behind its end.
fn four_of(first: u32, c: u32) -> vec4<f32> {
  let i = first + c;
  let x = vec4<f32>(load(i), load(i + 1), load(i + 2), load(i + 3));
  return select(vec4<f32>(), x, before_end_of_x(c));
}

// What two fours of x, `apart`, give with a row.
fn row_with(w: Weight, row: u32, c: u32, apart: u32, a: vec4<f32>, b: vec4<f32>) -> f32 {
  return dot(weight4(w, row, c), a) + dot(weight4(w, row, c + apart), b);
}
