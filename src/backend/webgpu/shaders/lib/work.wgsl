// f32 numbers in the work buffer, which every kernel that uses them binds as `work`.
fn load(i: u32) -> f32 { return bitcast<f32>(work[i]); }
fn store(i: u32, x: f32) { work[i] = bitcast<u32>(x); }
