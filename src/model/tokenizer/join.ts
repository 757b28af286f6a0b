// The loop that byte-level BPE and SentencePiece share: of all neighbours that may be joined those
// of the least rank are, the leftmost of equal ranks first, until none are left. Short lists are
// searched, long ones keep their pairs in a heap: n log n.

/** A list of at most this many symbols is searched for its best pair each time: it beats a heap. */
const SEARCHED = 24;
/** Room that is kept between calls, in symbols; a longer list gets room of its own. */
const KEPT = 1 << 12;

export class Joiner {
  /** The symbol behind each, -1 for the last. Symbol 0 is always the first. */
  next = new Int32Array(KEPT);
  #previous = new Int32Array(KEPT);
  /** Of each symbol the rank of it and the next. */
  #ranks = new Float64Array(KEPT);

  /**
   * Joins `count` symbols. `rank` tells that of two neighbours, Infinity where they cannot be
   * joined; `join` makes the left one both.
   */
  run(
    count: number,
    rank: (left: number, right: number) => number,
    join: (left: number, right: number) => void,
  ): void {
    if (count > KEPT || this.next.length > KEPT) {
      const room = Math.max(count, KEPT);
      this.next = new Int32Array(room);
      this.#previous = new Int32Array(room);
      this.#ranks = new Float64Array(room);
    }
    const { next } = this;
    const previous = this.#previous;
    const ranks = this.#ranks;
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : -1;
      previous[i] = i - 1;
      ranks[i] = i + 1 < count ? rank(i, i + 1) : Infinity;
    }
    const joinAt = (left: number) => {
      const right = next[left];
      join(left, right);
      next[left] = next[right];
      if (next[right] >= 0) previous[next[right]] = left;
      ranks[right] = Infinity;
      ranks[left] = next[left] >= 0 ? rank(left, next[left]) : Infinity;
      const before = previous[left];
      if (before >= 0) ranks[before] = rank(before, left);
      return before;
    };

    if (count <= SEARCHED) {
      for (;;) {
        let best = -1;
        let least = Infinity;
        for (let i = 0; i >= 0; i = next[i]) {
          if (ranks[i] < least) {
            least = ranks[i];
            best = i;
          }
        }
        if (best < 0) return;
        joinAt(best);
      }
    }
    const heap = new Heap(count);
    for (let i = 0; i < count; i++) if (ranks[i] < Infinity) heap.push(ranks[i], i);
    while (heap.size > 0) {
      const least = heap.rank;
      const left = heap.pop();
      if (ranks[left] !== least) continue; // one of them has been joined since
      const before = joinAt(left);
      if (ranks[left] < Infinity) heap.push(ranks[left], left);
      if (before >= 0 && ranks[before] < Infinity) heap.push(ranks[before], before);
    }
  }
}

/** Pairs by rank, then place. */
class Heap {
  size = 0;
  #ranks: Float64Array;
  #places: Int32Array;

  constructor(room: number) {
    this.#ranks = new Float64Array(room);
    this.#places = new Int32Array(room);
  }

  get rank(): number {
    return this.#ranks[0];
  }

  push(rank: number, place: number): void {
    if (this.size === this.#ranks.length) {
      const ranks = new Float64Array(2 * this.size);
      const places = new Int32Array(2 * this.size);
      ranks.set(this.#ranks);
      places.set(this.#places);
      this.#ranks = ranks;
      this.#places = places;
    }
    const ranks = this.#ranks;
    const places = this.#places;
    let at = this.size++;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (ranks[up] < rank || (ranks[up] === rank && places[up] <= place)) break;
      ranks[at] = ranks[up];
      places[at] = places[up];
      at = up;
    }
    ranks[at] = rank;
    places[at] = place;
  }

  /** Takes the first pair out: its place. */
  pop(): number {
    const ranks = this.#ranks;
    const places = this.#places;
    const first = places[0];
    const size = --this.size;
    const rank = ranks[size];
    const place = places[size];
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= size) break;
      const other = down + 1;
      if (
        other < size &&
        (ranks[other] < ranks[down] ||
          (ranks[other] === ranks[down] && places[other] < places[down]))
      )
        down = other;
      if (rank < ranks[down] || (rank === ranks[down] && place <= places[down])) break;
      ranks[at] = ranks[down];
      places[at] = places[down];
      at = down;
    }
    ranks[at] = rank;
    places[at] = place;
    return first;
  }
}
