// What weights of the IQ types share (weights/): blocks of 256 whose codes are numbers of a grid's
// entries. The grid lies where other types have their tails: 16 bits an entry, digits of 2 bits or,
// of the IQ3 types, 3.
const FOUR = vec4<u32>(0, 1, 2, 3);

// Byte i, or pair i of bytes, of words from a place on.
fn word_byte_at(w: Weight, first: u32, i: u32) -> u32 {
  return (word_at(w, first + i / 4) >> (i % 4 * 8)) & 255;
}
fn pair_of(w: Weight, first: u32, i: u32) -> u32 {
  return (word_at(w, first + i / 2) >> (i % 2 * 16)) & 0xffff;
}

// An entry's digits c % 8 .. c % 8 + 3, or its only four.
fn digits_of_8(w: Weight, entry: u32, c: u32) -> vec4<u32> {
  let pair = stored(w.slot, w.tails + entry / 2) >> (entry % 2 * 16 + c % 8 * 2);
  return (vec4<u32>(pair) >> (2 * FOUR)) & vec4<u32>(3);
}
fn digits_of_4(w: Weight, entry: u32) -> vec4<u32> {
  let pair = stored(w.slot, w.tails + entry / 2) >> (entry % 2 * 16);
  return (vec4<u32>(pair) >> (3 * FOUR)) & vec4<u32>(7);
}

// Eight signs: four of them as 1 and -1; of seven the eighth makes their number even.
fn signs_of(bits: u32, c: u32) -> vec4<f32> {
  return 1 - 2 * vec4<f32>((vec4<u32>(bits >> (c % 8)) >> FOUR) & vec4<u32>(1));
}
fn even(bits: u32) -> u32 { return bits | (countOneBits(bits) % 2 * 128); }

// Levels 8, 25, 43, with their signs, times a scale of 4 bits, which begin with a word's lowest.
fn iq2(w: Weight, entry: u32, c: u32, signs: u32, scale: u32) -> vec4<f32> {
  let level = vec4<f32>(8 + ((35 * digits_of_8(w, entry, c)) >> vec4<u32>(1)));
  return (0.25 * (0.5 + f32(scale & 15))) * signs_of(signs, c) * level;
}

// Levels -1, 0, 1, times a scale of 3 bits, moved by 1 / 8 to where a lowest bit says.
fn iq1(w: Weight, entry: u32, c: u32, sign: u32, scale: u32) -> vec4<f32> {
  let level = vec4<f32>(digits_of_8(w, entry, c)) - select(0.875, 1.125, sign % 2 == 1);
  return f32(1 + 2 * (scale & 7)) * level;
}
