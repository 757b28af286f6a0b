// Weights as they are stored (weights.ts says where what lies), four numbers of a row at a time. A
// kernel that uses it says what word i of a weight is: fn stored(slot: u32, i: u32) -> u32. For a
// new type: a function, and its line in weight4(), by the type's number (dtype.ts).

// Bit i: type i is wanted. The others are cut away before functions are laid into each other, which
// makes compiling many times faster.
override KINDS: u32;

// Which weight, its type, where its regions begin, and how long its rows are.
struct Weight { slot: u32, kind: u32, heads: u32, words: u32, tails: u32, columns: u32 }

// Numbers c .. c + 3 of a row, c % 4 == 0: zeros behind its end.
fn weight4(w: Weight, row: u32, c: u32) -> vec4<f32> {
  switch w.kind {
    case 0: { if (KINDS & 1) != 0 { return f32_weights(w, row, c); } }
    case 1: { if (KINDS & 2) != 0 { return f16_weights(w, row, c); } }
    case 2: { if (KINDS & 4) != 0 { return bf16_weights(w, row, c); } }
    case 3: { if (KINDS & 8) != 0 { return q8_0_weights(w, row, c); } }
    case 4: { if (KINDS & 16) != 0 { return q4_0_weights(w, row, c); } }
    case 5: { if (KINDS & 32) != 0 { return q4_1_weights(w, row, c); } }
    case 6: { if (KINDS & 64) != 0 { return q5_0_weights(w, row, c); } }
    case 7: { if (KINDS & 128) != 0 { return q5_1_weights(w, row, c); } }
    case 8: { if (KINDS & 256) != 0 { return q4_k_weights(w, row, c); } }
    case 9: { if (KINDS & 512) != 0 { return q5_k_weights(w, row, c); } }
    case 10: { if (KINDS & 1024) != 0 { return q6_k_weights(w, row, c); } }
    default: {}
  }
  return vec4<f32>();
}

// How far behind a number lies the one whose code is in the same word: who reads both reads the
// word once.
fn partner_of(kind: u32) -> u32 {
  switch kind {
    case 4, 5, 6, 7: { return 16; }
    case 8, 9: { return 32; }
    case 10: { return 64; }
    default: { return 4; }
  }
}

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

fn f32_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let i = row * w.columns + c;
  let words = vec4<u32>(word_at(w, i), word_at(w, i + 1), word_at(w, i + 2), word_at(w, i + 3));
  return select(vec4<f32>(), bitcast<vec4<f32>>(words), before_end(w, c));
}

// Four numbers of 16 bits. Rows are whole words.
fn half_words(w: Weight, row: u32, c: u32) -> vec2<u32> {
  let i = w.heads + row * ((w.columns + 1) / 2) + c / 2;
  let words = vec2<u32>(stored(w.slot, i), stored(w.slot, i + 1));
  return select(vec2<u32>(), words, vec2<u32>(c, c + 2) < vec2<u32>(w.columns));
}
fn f16_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let words = half_words(w, row, c);
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
// The upper halves of f32 numbers.
fn bf16_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let words = half_words(w, row, c).xxyy;
  return bitcast<vec4<f32>>((words << vec4<u32>(16, 0, 16, 0)) & vec4<u32>(0xffff0000));
}

fn q8_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  return half_at(w, w.heads, block) * signed_bytes_of(word_at(w, 8 * block + c % 32 / 4));
}

// Blocks of 32: the codes of numbers 0 .. 15 are low nibbles, those of 16 .. 31 the high ones.
fn q4_codes(w: Weight, first: u32, c: u32) -> vec4<f32> {
  return bytes_of(nibbles_of(word_at(w, first + c % 16 / 4), c / 16 % 2));
}
fn q4_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  return half_at(w, w.heads, block) * (q4_codes(w, 4 * block, c) - 8);
}
fn q4_1_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  let scale = pair_at(w, block);
  return scale.x * q4_codes(w, 4 * block, c) + scale.y;
}

// The same behind a word of fifth bits.
fn q5_codes(w: Weight, first: u32, c: u32) -> vec4<f32> {
  let bits = (vec4<u32>(word_at(w, first)) >> (vec4<u32>(0, 1, 2, 3) + c % 32)) & vec4<u32>(1);
  return q4_codes(w, first + 1, c) + 16 * vec4<f32>(bits);
}
fn q5_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  return half_at(w, w.heads, block) * (q5_codes(w, 5 * block, c) - 16);
}
fn q5_1_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  let scale = pair_at(w, block);
  return scale.x * q5_codes(w, 5 * block, c) + scale.y;
}

// K blocks of 256: the scale and the min of 32 numbers, times d and dmin. Words: 3 of scales and
// mins, 6 bits each, ...
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
// ... 32 of codes.
fn q4_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 35 * block;
  let scale = k_scales(w, block, first, c);
  return scale.x * bytes_of(k_codes(w, first + 3, c)) - scale.y;
}
// ... 8 of fifth bits, bit i for the numbers of part i, 32 of codes.
fn q5_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 43 * block;
  let scale = k_scales(w, block, first, c);
  let fifth = (word_at(w, first + 3 + c % 32 / 4) >> (c % 256 / 32)) & 0x01010101;
  return scale.x * bytes_of(k_codes(w, first + 11, c) | (fifth << 4)) - scale.y;
}

// Words: 32 of low nibbles, 16 of upper pairs, 4 of scales i8 of 16 numbers; the tail is d. Halves
// of a block have half of each: 64 low nibbles first, pairs of 32 numbers by two bits.
fn q6_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 52 * block;
  let half = c % 256 / 128;
  let low = nibbles_of(word_at(w, first + 16 * half + c % 64 / 4), c / 64 % 2);
  let upper = (word_at(w, first + 32 + 8 * half + c % 32 / 4) >> (c / 32 % 4 * 2)) & 0x03030303;
  let scales = word_at(w, first + 48 + c % 256 / 64);
  let scale = f32(extractBits(bitcast<i32>(scales), c / 16 % 4 * 8, 8u));
  return half_at(w, w.tails, block) * scale * (bytes_of(low | (upper << 4)) - 32);
}
