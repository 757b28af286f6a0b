// One operation on each score of some heads, or each row. `tiles` workgroups share a head. The
// numbers of operations are those of scores.ts.
// uses: lib/index, lib/work, lib/heads, lib/scores
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  how: u32, tiles: u32, to: u32, other: u32, x: f32, a: u32, b: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 64;
const INFINITY: u32 = 0x7f800000;

// to = mean of `a` neighbours in a head of n, zeros beyond its ends
fn average(h: u32, i: u32, n: u32) -> f32 {
  let before = i - min(i, p.a / 2);
  let behind = min(n, i + p.a / 2 + 1);
  var sum = 0.0;
  for (var j = before; j < behind; j++) { sum += load(p.other + place_of(h) + j); }
  return sum / f32(p.a);
}

// the same row of every head gets their mean, where heads are equally long
fn share_mean(i: u32, n: u32) {
  var sum = 0.0;
  for (var h = 0u; h < p.heads; h++) {
    if (scored(h) != n) { return; }
    sum += load(p.to + place_of(h) + i);
  }
  for (var h = 0u; h < p.heads; h++) { store(p.to + place_of(h) + i, sum / f32(p.heads)); }
}

// infinity for the first tokens (below a), the newest b rows, and those without a score
fn protect(h: u32, i: u32, at: u32) -> u32 {
  let token = notes[token_at(start_of(h) + i)];
  let rated = i + max(p.b, left_out()) < shown(h) && token >= p.a;
  return select(INFINITY, work[p.other + at], rated);
}

fn each(h: u32, i: u32, n: u32) {
  let at = place_of(h) + i;
  let row = start_of(h) + i;
  let s = p.to + at;
  switch p.how {
    case 0 { store(s, -load(s)); }
    case 1 { store(s, load(s) * load(p.other + at)); }
    case 2 { store(s, load(p.other + at) * p.x); }
    case 3 { store(s, load(s) + load(p.other + at) * p.x); }
    case 4 { store(s, max(load(s), load(p.other + at) * p.x)); }
    case 5 { notes[state_at(row)] = work[s]; }
    case 6 {
      let sum = bitcast<f32>(notes[state_at(row)]) + load(s) * p.x;
      notes[state_at(row)] = bitcast<u32>(sum);
      store(s, sum / f32(p.a - notes[token_at(row)]));
    }
    case 7 { store(s, f32(bitcast<i32>(notes[token_at(row)])) + p.x); }
    case 8 { // tokens a .. a + b have their rates in a table of each head
      let token = notes[token_at(row)];
      if (token >= p.a && token - p.a < p.b) {
        work[s] = work[p.other + h * p.b + token - p.a];
      }
    }
    case 9 { work[s] = protect(h, i, at); }
    case 10 { store(s, average(h, i, n)); }
    case 11 { if (h == 0) { share_mean(i, n); } }
    default { // rows a .. a + b of a list
      if (i >= p.a && i - p.a < p.b) { work[s] = work[p.other + i - p.a]; }
      notes[head_at(h) + 2] = p.a + p.b;
      notes[head_at(h) + 3] = 0;
    }
  }
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let h = index / p.tiles;
  if (h >= p.heads) { return; }
  let n = scored(h);
  let rows = select(n, shown(h), p.how == 9);
  for (var i = index % p.tiles * LANES + lane; i < rows; i += p.tiles * LANES) { each(h, i, n); }
}
