// Cached rows of every type (row-codec.ts says what their bytes mean), bound as `keys` and
// `values`. Rows of few bits stand for numbers that are rotated: what meets them is rotated first
// (lib/hadamard), and what they add up to is rotated back.
// uses: lib/row-type

// Step and lowest number of a row: what key4 and value4 ask for.
fn key_scale(row: u32) -> vec2<f32> {
  if (ROWS >= 16) { return vec2<f32>(1.0, 0.0); }
  return unpack2x16float(keys[(row + 1) * row_words() - 1]);
}
fn value_scale(row: u32) -> vec2<f32> {
  if (ROWS >= 16) { return vec2<f32>(1.0, 0.0); }
  return unpack2x16float(values[(row + 1) * row_words() - 1]);
}

// Numbers j .. j + 3 of a row, j % 4 == 0; 0 behind its end.
fn key4(row: u32, j: u32, scale: vec2<f32>) -> vec4<f32> {
  let first = row * row_words();
  if (is_loose()) {
    var codes: vec4<u32>;
    for (var i = 0u; i < 4; i++) {
      let at = first + loose_words(j + i);
      codes[i] = loose_code(keys[at.x], keys[at.y], j + i);
    }
    return vec4<f32>(codes) * scale.x + scale.y;
  }
  let at = first + words_of(j);
  return numbers(vec4<u32>(keys[at.x], keys[at.y], keys[at.z], keys[at.w]), j, scale);
}
fn value4(row: u32, j: u32, scale: vec2<f32>) -> vec4<f32> {
  let first = row * row_words();
  if (is_loose()) {
    var codes: vec4<u32>;
    for (var i = 0u; i < 4; i++) {
      let at = first + loose_words(j + i);
      codes[i] = loose_code(values[at.x], values[at.y], j + i);
    }
    return vec4<f32>(codes) * scale.x + scale.y;
  }
  let at = first + words_of(j);
  return numbers(vec4<u32>(values[at.x], values[at.y], values[at.z], values[at.w]), j, scale);
}

// Words of a row in which numbers j .. j + 3 lie; those that a type does not need are the first.
fn words_of(j: u32) -> vec4<u32> {
  if (ROWS == 32) { return vec4<u32>(j, j + 1, j + 2, j + 3); }
  if (ROWS == 16) { return vec4<u32>(j / 2, j / 2 + 1, j / 2, j / 2); }
  if (ROWS == 8) { return vec4<u32>(j / 4); }
  if (ROWS == 4) { return vec4<u32>(j % HALF / 4); }
  let low = j % QUARTER / 4;
  return vec4<u32>(low, (QUARTER + j % EIGHTH) / 4, low, low);
}

// What words of words_of(j) stand for.
fn numbers(words: vec4<u32>, j: u32, scale: vec2<f32>) -> vec4<f32> {
  if (ROWS >= 16) {
    let halves = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
    let all = select(halves, bitcast<vec4<f32>>(words), ROWS == 32);
    if (D % 4 == 0) { return all; }
    return select(vec4<f32>(), all, vec4<u32>(j) + vec4<u32>(0, 1, 2, 3) < vec4<u32>(D));
  }
  let bytes = vec4<u32>(0, 8, 16, 24);
  var codes = (vec4<u32>(words.x) >> bytes) & vec4<u32>(255);
  if (ROWS == 4) { codes = (codes >> vec4<u32>(4 * (j / HALF))) & vec4<u32>(15); }
  if (ROWS == 3) {
    let third = (vec4<u32>(words.y) >> (bytes + vec4<u32>(j / EIGHTH))) & vec4<u32>(1);
    codes = ((codes >> vec4<u32>(2 * (j / QUARTER))) & vec4<u32>(3)) | (third << vec4<u32>(2));
  }
  return vec4<f32>(codes) * scale.x + scale.y;
}

// Parts of a row of codes, none of them 0 where D is small.
override HALF: u32 = (D + 1) / 2;
override QUARTER: u32 = (D + 3) / 4;
override EIGHTH: u32 = (D + 7) / 8;

// Whether planes of bits end within words, so that each code is looked up by itself.
fn is_loose() -> bool { return ROWS == 3 && D % 32 != 0; }
fn loose_words(j: u32) -> vec2<u32> {
  return vec2<u32>(j % QUARTER / 4, (QUARTER + j % EIGHTH) / 4);
}
fn loose_code(low: u32, high: u32, j: u32) -> u32 {
  let two = (low >> (8 * (j % QUARTER % 4) + 2 * (j / QUARTER))) & 3;
  let third = (high >> (8 * ((QUARTER + j % EIGHTH) % 4) + j / EIGHTH)) & 1;
  return two | (third << 2);
}
