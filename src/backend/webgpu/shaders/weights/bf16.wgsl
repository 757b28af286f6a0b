// The upper halves of f32 numbers.
const bf16_partner = 4u;
fn bf16_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let words = half_words(w, row, c).xxyy;
  return bitcast<vec4<f32>>((words << vec4<u32>(16, 0, 16, 0)) & vec4<u32>(0xffff0000));
}
