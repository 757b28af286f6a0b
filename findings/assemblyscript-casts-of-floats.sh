#!/usr/bin/env bash
# AssemblyScript 0.28.20: a float cast to an integer saturates at 32 bits and wraps below.
#
# Guess: <u8>x of a float behaves in one way: a trap out of range, as WebAssembly's first
#        conversions, or JavaScript's wrap-around of Uint8Array and x | 0, whose syntax it shares.
# Seen:  nothing traps, as the non-trapping conversions are on by default. The value saturates at
#        the limits of i32 or u32 first, and of that the low bits are kept: 300 becomes 44, but 1e12
#        becomes 255, -1 becomes 0 as u8 (JavaScript: 255), 200 becomes -56 as i8 and 1e12 -1.
#        NaN is 0. With --disable nontrapping-f2i the same source traps.
# Why:   kernels that quantise round and cast: an outlier neither stops them nor is clamped to the
#        largest code, and small outliers turn their sign. Clamp in floats, then cast.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone assemblyscript@0.28.20
cat > casts.ts <<'TS'
export function u8Of(x: f32): u8 { return <u8>x; }
export function i8Of(x: f32): i8 { return <i8>x; }
export function i32Of(x: f32): i32 { return <i32>x; }
TS
npx asc casts.ts --runtime stub -O3 -o default.wasm
npx asc casts.ts --runtime stub -O3 --disable nontrapping-f2i -o trapping.wasm
cat > casts.mjs <<'JS'
import { readFileSync } from 'node:fs';

for (const build of ['default', 'trapping']) {
  const module = new WebAssembly.Module(readFileSync(`${build}.wasm`));
  const { exports } = new WebAssembly.Instance(module, {});
  for (const name of ['u8Of', 'i8Of', 'i32Of']) {
    const inputs = { 300: 300, 200: 200, '-1': -1, big: 1e12, '-big': -1e12, NaN };
    const results = ['300', '200', '-1', 'big', '-big', 'NaN'].map((label) => {
      try {
        return `${label} -> ${exports[name](inputs[label])}`;
      } catch {
        return `${label} traps`;
      }
    });
    console.log(`${build} ${name}: ${results.join(', ')}`);
  }
}
JS
output=$(node casts.mjs)
echo "node $(node --version), assemblyscript 0.28.20"
echo "$output"
[ "$output" = "default u8Of: 300 -> 44, 200 -> 200, -1 -> 0, big -> 255, -big -> 0, NaN -> 0
default i8Of: 300 -> 44, 200 -> -56, -1 -> -1, big -> -1, -big -> 0, NaN -> 0
default i32Of: 300 -> 300, 200 -> 200, -1 -> -1, big -> 2147483647, -big -> -2147483648, NaN -> 0
trapping u8Of: 300 -> 44, 200 -> 200, -1 traps, big traps, -big traps, NaN traps
trapping i8Of: 300 -> 44, 200 -> -56, -1 -> -1, big traps, -big traps, NaN traps
trapping i32Of: 300 -> 300, 200 -> 200, -1 -> -1, big traps, -big traps, NaN traps" ] ||
  { echo 'this has changed'; exit 1; }
