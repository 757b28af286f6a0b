// f32.
const f32_partner = 4u;
fn f32_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let i = row * w.columns + c;
  let words = vec4<u32>(word_at(w, i), word_at(w, i + 1), word_at(w, i + 2), word_at(w, i + 3));
  return select(vec4<f32>(), bitcast<vec4<f32>>(words), before_end(w, c));
}
