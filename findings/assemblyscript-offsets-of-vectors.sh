#!/usr/bin/env bash
# AssemblyScript 0.28.20: p + 48 becomes an offset of v128.load, not of loads that splat or extend.
#
# Guess: at -O3 a constant that is added to an address goes into the offset that all WebAssembly
#        loads and stores have, so load(p + 48) and load(p, 48) are the same code.
# Seen:  for v128.load and v128.store they are. v128.load32_splat, load16x4_s and load32_lane keep the
#        addition as an instruction, which engines have to make, as it wraps at 32 bits and an
#        offset does not; only the second argument, a constant, is an offset for them.
# Why:   inner loops of quantised products consist of such loads: write offsets as an argument.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone assemblyscript@0.28.20
output=$(for load in 'v128.load(p + 48)' 'v128.load32_splat(p + 48)' 'v128.load32_splat(p, 48)' \
  'v128.load16x4_s(p + 48)' 'v128.load32_lane(p + 48, v, 1)' 'v128.load32_lane(p, v, 1, 48)'; do
  cat > vectors.ts <<TS
let v: v128;
export function it(p: usize): void { v = $load; }
TS
  npx asc vectors.ts --runtime stub --enable simd -O3 -t vectors.wat
  echo "$load: $(grep -c 'offset=48' vectors.wat) offsets, $(grep -c 'i32.add' vectors.wat) additions"
done)
echo "node $(node --version), assemblyscript 0.28.20"
echo "$output"
[ "$output" = "v128.load(p + 48): 1 offsets, 0 additions
v128.load32_splat(p + 48): 0 offsets, 1 additions
v128.load32_splat(p, 48): 1 offsets, 0 additions
v128.load16x4_s(p + 48): 0 offsets, 1 additions
v128.load32_lane(p + 48, v, 1): 0 offsets, 1 additions
v128.load32_lane(p, v, 1, 48): 1 offsets, 0 additions" ] || { echo 'this has changed'; exit 1; }
