// Weights as they are stored (weights.ts says where what lies), four numbers of a row at a time. A
// kernel that uses it says what word i of a weight is: fn stored(slot: u32, i: u32) -> u32. For a
// new type: a file in weights/, with what is asked for a type in weight-types.ts, from which
// weight4() follows for the types that are wanted.

// Which weight, its type, where its regions begin, and how long its rows are.
struct Weight { slot: u32, kind: u32, heads: u32, words: u32, tails: u32, columns: u32 }

fn word_at(w: Weight, i: u32) -> u32 { return stored(w.slot, w.words + i); }

// Number i of f16 numbers that begin at a word.
fn half_at(w: Weight, first: u32, i: u32) -> f32 {
  let pair = unpack2x16float(stored(w.slot, first + i / 2));
  return select(pair.x, pair.y, i % 2 == 1);
}

// d and m of a block whose head are two halves.
fn pair_at(w: Weight, block: u32) -> vec2<f32> {
  return unpack2x16float(stored(w.slot, w.heads + block));
}

const BYTES = vec4<u32>(0, 8, 16, 24);
fn bytes_of(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> BYTES) & vec4<u32>(255));
}
fn signed_bytes_of(word: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(vec4<u32>(word) << BYTES.wzyx) >> vec4<u32>(24));
}
fn nibbles_of(word: u32, high: u32) -> u32 { return (word >> (4 * high)) & 0x0f0f0f0f; }

fn before_end(w: Weight, c: u32) -> vec4<bool> {
  return vec4<u32>(c, c + 1, c + 2, c + 3) < vec4<u32>(w.columns);
}

// Four numbers of 16 bits. Rows are whole words.
fn half_words(w: Weight, row: u32, c: u32) -> vec2<u32> {
  let i = w.heads + row * ((w.columns + 1) / 2) + c / 2;
  let words = vec2<u32>(stored(w.slot, i), stored(w.slot, i + 1));
  return select(vec2<u32>(), words, vec2<u32>(c, c + 2) < vec2<u32>(w.columns));
}

// Blocks of 32: the codes of numbers 0 .. 15 are low nibbles, those of 16 .. 31 the high ones.
fn q4_codes(w: Weight, first: u32, c: u32) -> vec4<f32> {
  return bytes_of(nibbles_of(word_at(w, first + c % 16 / 4), c / 16 % 2));
}
// The same behind a word of fifth bits.
fn q5_codes(w: Weight, first: u32, c: u32) -> vec4<f32> {
  let bits = (vec4<u32>(word_at(w, first)) >> (vec4<u32>(0, 1, 2, 3) + c % 32)) & vec4<u32>(1);
  return q4_codes(w, first + 1, c) + 16 * vec4<f32>(bits);
}

// K blocks of 256: the scale and the min of 32 numbers, 6 bits each in 3 words, times d and dmin.
fn k_scales(w: Weight, block: u32, first: u32, c: u32) -> vec2<f32> {
  let part = c % 256 / 32;
  let low = vec2<u32>(word_at(w, first), word_at(w, first + 1)) >> vec2<u32>(8 * (part % 4));
  let rest = word_at(w, first + 2) >> (8 * (part % 4));
  let top = (low >> vec2<u32>(2)) & vec2<u32>(48);
  let upper = (vec2<u32>(rest, rest >> 4) & vec2<u32>(15)) | top;
  return pair_at(w, block) * vec2<f32>(select(upper, low & vec2<u32>(63), part < 4));
}
// Codes: 64 numbers in 8 words, low nibbles first.
fn k_codes(w: Weight, first: u32, c: u32) -> u32 {
  return nibbles_of(word_at(w, first + c % 256 / 64 * 8 + c % 32 / 4), c / 32 % 2);
}

// A part of 128 numbers has pairs of bits in 8 words: the lowest ones are its first 32 numbers.
fn pairs_of(w: Weight, first: u32, c: u32) -> u32 {
  return (word_at(w, first + c % 256 / 128 * 8 + c % 32 / 4) >> (c / 32 % 4 * 2)) & 0x03030303;
}
// Byte i of those that begin at a word.
fn byte_at(w: Weight, first: u32, i: u32) -> u32 {
  return extractBits(stored(w.slot, first + i / 4), i % 4 * 8, 8u);
}

// Signed bytes of a table of 16, in four words, by the nibbles of a word's bytes.
fn chosen(table: vec4<u32>, nibbles: u32) -> vec4<f32> {
  let at = (vec4<u32>(nibbles) >> BYTES) & vec4<u32>(15);
  var words: vec4<u32>;
  for (var i = 0u; i < 4; i++) { words[i] = table[at[i] / 4]; }
  return vec4<f32>(extract_signed(words, at % 4));
}
fn extract_signed(words: vec4<u32>, at: vec4<u32>) -> vec4<i32> {
  return bitcast<vec4<i32>>(words << (24 - 8 * at)) >> vec4<u32>(24);
}
const NON_LINEAR = vec4<u32>(0xbfad9881, 0xf6eaddcf, 0x26190d01, 0x71594535);
const FOUR_BITS = vec4<u32>(0x03020100, 0x0c080604, 0xfdfeff00, 0xf4f8fafc);
