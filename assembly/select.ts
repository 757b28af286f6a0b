// The k best of n scores in linear time.

/**
 * A number whose unsigned order is the order of f32: -inf first, NaN before everything, both zeros
 * alike.
 */
@inline
function sortable(p: usize): u32 {
  const bits = load<u32>(p);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0;
  if (bits == 0x80000000) return bits;
  return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;

/** Bytes of scratch for top_k(). */
export function top_k_scratch(): i32 {
  return <i32>DIGITS * 4;
}

/**
 * Writes the indices of the min(k, n) largest scores, ascending; ties go to the lower index, NaN
 * counts below -inf. Returns how many. kept i32 [min(k, n)] | scores f32 [n] | scratch
 * top_k_scratch()
 *
 * A radix select: three histograms of 11, 11 and 10 bits find the k-th largest key, a last pass
 * writes all above it and the first of those equal to it.
 */
export function top_k(kept: usize, scores: usize, scratch: usize, n: i32, k: i32): i32 {
  if (k >= n) {
    for (let i = 0; i < n; i++) store<i32>(kept + ((<usize>i) << 2), i);
    return n;
  }
  if (k <= 0) return 0;
  let prefix: u32 = 0; // the digits of the threshold found so far
  let mask: u32 = 0;
  let left = k; // how many of the keys with this prefix are still wanted
  let shift: u32 = 32;
  while (shift > 0) {
    const bits = min(DIGIT_BITS, shift);
    shift -= bits;
    memory.fill(scratch, 0, DIGITS << 2);
    for (let i: usize = 0; i < <usize>n; i++) {
      const key = sortable(scores + (i << 2));
      if ((key & mask) != prefix) continue;
      const at = scratch + ((<usize>((key >> shift) & ((1 << bits) - 1))) << 2);
      store<i32>(at, load<i32>(at) + 1);
    }
    let digit: i32 = (1 << bits) - 1;
    while (load<i32>(scratch + ((<usize>digit) << 2)) < left) {
      left -= load<i32>(scratch + ((<usize>digit) << 2));
      digit--;
    }
    prefix |= (<u32>digit) << shift;
    mask |= ((1 << bits) - 1) << shift;
  }
  let count = 0;
  for (let i = 0; i < n; i++) {
    const key = sortable(scores + ((<usize>i) << 2));
    if (key < prefix) continue;
    if (key == prefix) {
      if (left == 0) continue;
      left--;
    }
    store<i32>(kept + ((<usize>count) << 2), i);
    count++;
  }
  return count;
}
