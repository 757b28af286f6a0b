// The choice of experts by what they weigh.
// uses: lib/route
const BIASED: bool = false;
fn bias_of(e: u32) -> f32 { return 0.0; }
