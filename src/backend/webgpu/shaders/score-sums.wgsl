// Scores beside what their head has in all, a workgroup a head:
//   0  s = max(s, mean of s)        1  s = s v / sum of v, v the state of its row
// or, in one workgroup, what is known of all heads before raise-most.wgsl:
//   2  facts = the best score, at least 0; mass less the mean over heads of the last `recent` looks
// or, before value-norms.wgsl:
//   3  facts[h] = number of the head's last row with a state, plus one
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/gather
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  how: u32, scores: u32, looks: u32, recent: u32, mass: f32, facts: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

const LANES: u32 = 256;

fn state(h: u32, i: u32) -> f32 { return bitcast<f32>(notes[state_at(start_of(h) + i)]); }

@compute @workgroup_size(256)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  if (index >= p.heads) { return; }
  let last = select(index + 1, p.heads, p.how == 2);
  var sum = 0.0;
  var best = 0.0;
  for (var h = index; h < last; h++) {
    let n = scored(h);
    let s = p.scores + place_of(h);
    for (var i = lane; i < n; i += LANES) {
      switch p.how {
        case 0 { sum += load(s + i); }
        case 1 { sum += state(h, i); }
        case 2 {
          best = max(best, load(s + i));
          if (i + p.recent >= n) { sum += load(p.looks + place_of(h) + i); }
        }
        default { if (state(h, i) != 0) { best = f32(i + 1); } }
      }
    }
  }
  let gained = gather(vec2<f32>(sum, best), lane);
  let all = gained.x;
  if (p.how == 3) {
    if (lane == 0) { store(p.facts + index, gained.y); }
    return;
  }
  if (p.how == 2) {
    if (lane == 0) {
      store(p.facts, gained.y);
      store(p.facts + 1, p.mass - all / f32(p.heads));
    }
    return;
  }
  let n = scored(index);
  let s = p.scores + place_of(index);
  for (var i = lane; i < n; i += LANES) {
    if (p.how == 0) { store(s + i, max(load(s + i), all / f32(n))); } else if (all > 0) {
      store(s + i, load(s + i) * state(index, i) / all);
    }
  }
}
