// The rotation of rows of few bits: x -> H diag(s) x, H the orthonormal Walsh-Hadamard transform of
// the largest power of two that divides D, block by block, s fixed signs. Of `heads` heads of D
// numbers that a shader has in `spin`, an array of workgroup memory; by all `lanes` of a workgroup.
// uses: lib/row-type
fn rotate(heads: u32, lane: u32, lanes: u32) {
  workgroupBarrier();
  scale_signs(heads, lane, lanes);
  transform(heads, lane, lanes);
}

// Takes it back.
fn unrotate(heads: u32, lane: u32, lanes: u32) {
  workgroupBarrier();
  transform(heads, lane, lanes);
  scale_signs(heads, lane, lanes);
}

// The largest power of two that divides D.
fn turned_width() -> u32 { return D & ~(D - 1); }

// By the signs, and by what makes the transform orthonormal.
fn scale_signs(heads: u32, lane: u32, lanes: u32) {
  let by = 1.0 / sqrt(f32(turned_width()));
  for (var i = lane; i < heads * D; i += lanes) {
    let odd = countOneBits(i % D * 0x9e3779b1u) & 1;
    spin[i] *= select(by, -by, odd == 1);
  }
  workgroupBarrier();
}

// Sums and differences of numbers 1, 2, 4 .. apart.
fn transform(heads: u32, lane: u32, lanes: u32) {
  for (var h = 1u; h < turned_width(); h *= 2) {
    for (var i = lane; i < heads * D / 2; i += lanes) {
      let at = i / h * 2 * h + i % h;
      let x = spin[at];
      let y = spin[at + h];
      spin[at] = x + y;
      spin[at + h] = x - y;
    }
    workgroupBarrier();
  }
}
