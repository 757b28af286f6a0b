// f16.
const f16_partner = 4u;
fn f16_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let words = half_words(w, row, c);
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
