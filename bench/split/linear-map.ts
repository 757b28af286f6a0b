// A linear map from activations to embeddings, fitted by ridge regression: what somebody can do who
// does not run a client's layers. f64 throughout.

/** Rows x [n, D] and what they should give, y [n, E]. */
export interface Pairs {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly D: number;
  readonly E: number;
}

/** The weight of the penalty beside the mean square of an input. */
const RIDGE = 1e-4;

/** W [D + 1, E], the last row for a constant input of 1, that minimises |xW - y|^2 + ridge |W|^2. */
export function fitLinear({ x, y, D, E }: Pairs): Float64Array {
  const n = x.length / D;
  const K = D + 1;
  const width = K + E;
  const system = new Float64Array(K * width); // [x'x + ridge | x'y]
  const row = new Float64Array(width);
  for (let t = 0; t < n; t++) {
    for (let i = 0; i < D; i++) row[i] = x[t * D + i];
    row[D] = 1;
    for (let i = 0; i < E; i++) row[K + i] = y[t * E + i];
    for (let i = 0; i < K; i++)
      for (let j = 0; j < width; j++) system[i * width + j] += row[i] * row[j];
  }
  let squares = 0;
  for (let i = 0; i < D; i++) squares += system[i * width + i] / D;
  for (let i = 0; i < D; i++) system[i * width + i] += RIDGE * squares;
  solve(system, K, width);
  const w = new Float64Array(K * E);
  for (let i = 0; i < K; i++) w.set(system.subarray(i * width + K, (i + 1) * width), i * E);
  return w;
}

/** Gauss and Jordan, on a positive definite left part [K, K] of rows of `width`. */
function solve(system: Float64Array, K: number, width: number): void {
  for (let p = 0; p < K; p++) {
    const pivot = system[p * width + p];
    for (let j = p; j < width; j++) system[p * width + j] /= pivot;
    for (let i = 0; i < K; i++) {
      const factor = i === p ? 0 : system[i * width + p];
      if (factor === 0) continue;
      for (let j = p; j < width; j++) system[i * width + j] -= factor * system[p * width + j];
    }
  }
}

/** What the map makes of rows x [n, D]: [n, E]. */
export function applyLinear(w: Float64Array, x: Float32Array, D: number): Float32Array {
  const E = w.length / (D + 1);
  const out = new Float32Array((x.length / D) * E);
  for (let t = 0, at = 0; at < x.length; t++, at += D)
    for (let e = 0; e < E; e++) {
      let sum = w[D * E + e];
      for (let i = 0; i < D; i++) sum += x[at + i] * w[i * E + e];
      out[t * E + e] = sum;
    }
  return out;
}

/** Squared distances of the rows of a table [V, D] from a row. */
export function distancesTo(table: Float32Array, row: Float32Array): Float64Array {
  const D = row.length;
  const distances = new Float64Array(table.length / D);
  for (let v = 0, at = 0; v < distances.length; v++) {
    let sum = 0;
    for (let i = 0; i < D; i++, at++) sum += (table[at] - row[i]) ** 2;
    distances[v] = sum;
  }
  return distances;
}

/** Where the least of some numbers is. */
export const leastOf = (numbers: Float64Array): number =>
  numbers.reduce((best, x, i) => (x < numbers[best] ? i : best), 0);
