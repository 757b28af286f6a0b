// A small transformer trained by other engines: two layers, 128 wide, four heads, feed-forward 384,
// 256 tokens of a vocabulary of 512, every weight trained with Adam, on their WebAssembly backends.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createRandom } from '../../src/math/rng.ts';
import { loadPeer, peersFolder } from './load.ts';

export const SMALL = { layers: 2, width: 128, heads: 4, feedForward: 384, vocabulary: 512 };
export const SMALL_TOKENS = 256;

export interface TrainingPeer {
  readonly name: string;
  /** The loss, read out. */
  forward(): Promise<number>;
  /** A step of Adam, done. */
  step(): Promise<number>;
}

const { layers: L, width: D, heads: H, feedForward: F, vocabulary: V } = SMALL;
const T = SMALL_TOKENS;
const RATE = 0.001;

/** Tokens, and what follows each. */
export const smallTokens = Array.from({ length: T + 1 }, (_, i) => (i * 37 + (i >> 3) * 11) % V);

/** Names and shapes of all weights. */
const shapes: Readonly<Record<string, readonly number[]>> = {
  embedding: [V, D],
  positions: [T, D],
  norm: [D],
  ...Object.fromEntries(
    Array.from({ length: L }, (_, l) =>
      Object.entries({
        ...{ normA: [D], q: [D, D], k: [D, D], v: [D, D], o: [D, D] },
        ...{ normF: [D], gate: [D, F], up: [D, F], down: [F, D] },
      }).map(([name, shape]) => [`${name}${l}`, shape]),
    ).flat(),
  ),
};

function firstNumbers(name: string, shape: readonly number[]): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  if (name.startsWith('norm')) return new Float32Array(count).fill(1);
  const random = createRandom(name.length * 31 + count);
  return Float32Array.from({ length: count }, () => (random() - 0.5) / Math.sqrt(D / 8));
}

/** One-hot rows. */
function oneHot(ids: readonly number[]): Float32Array {
  const rows = new Float32Array(ids.length * V);
  ids.forEach((id, t) => {
    rows[t * V + id] = 1;
  });
  return rows;
}

// biome-ignore lint/suspicious/noExplicitAny: the peers' types are not known here
type Foreign = any;

async function tensorflow(): Promise<TrainingPeer | undefined> {
  const tf = await loadPeer<Foreign>('@tensorflow/tfjs');
  const wasm = await loadPeer<Foreign>('@tensorflow/tfjs-backend-wasm');
  if (!tf || !wasm) return undefined;
  const require = createRequire(`${peersFolder}package.json`);
  wasm.setWasmPaths(
    `${dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/wasm-out/`,
  );
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  const p: Record<string, Foreign> = {};
  for (const [name, shape] of Object.entries(shapes))
    p[name] = tf.variable(tf.tensor(firstNumbers(name, shape), shape));
  const [from, to] = [smallTokens.slice(0, T), smallTokens.slice(1)].map((ids) =>
    tf.tensor(oneHot(ids), [T, V]),
  );
  const hidden = tf.tensor2d(
    Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)),
    [T, T],
  );
  const norm = (x: Foreign, w: Foreign) =>
    x.mul(x.square().mean(-1, true).add(1e-5).rsqrt()).mul(w);
  const heads = (x: Foreign) => x.reshape([T, H, D / H]).transpose([1, 0, 2]);
  const lossOf = () => {
    let x = from.matMul(p.embedding).add(p.positions);
    for (let l = 0; l < L; l++) {
      const h = norm(x, p[`normA${l}`]);
      const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(h.matMul(p[name + l])));
      const scores = tf.matMul(q, k, false, true).mul(1 / Math.sqrt(D / H));
      const mixed = tf.softmax(scores.add(hidden)).matMul(v);
      x = x.add(mixed.transpose([1, 0, 2]).reshape([T, D]).matMul(p[`o${l}`]));
      const m = norm(x, p[`normF${l}`]);
      const gate = m.matMul(p[`gate${l}`]);
      const gated = gate.mul(gate.sigmoid()).mul(m.matMul(p[`up${l}`]));
      x = x.add(gated.matMul(p[`down${l}`]));
    }
    const logits = norm(x, p.norm).matMul(p.embedding, false, true);
    return logits.logSumExp(-1).sub(logits.mul(to).sum(-1)).mean();
  };
  const adam = tf.train.adam(RATE);
  return {
    name: 'tfjs-wasm',
    forward: async () => tf.tidy(() => lossOf().dataSync()[0]),
    step: async () => tf.tidy(() => adam.minimize(lossOf, true).dataSync()[0]),
  };
}

async function jax(): Promise<TrainingPeer | undefined> {
  const it = await loadPeer<Foreign>('@jax-js/jax').catch(() => undefined);
  if (!it) return undefined;
  const { numpy: np, nn, jit, valueAndGrad, tree } = it;
  await it.init('wasm');
  it.defaultDevice('wasm');
  // arrays are used up by what is done with them, `.ref` is one more use
  let p: Record<string, Foreign> = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      np.array(firstNumbers(name, shape)).reshape(shape),
    ]),
  );
  const [from, to] = [smallTokens.slice(0, T), smallTokens.slice(1)].map((ids) =>
    np.array(oneHot(ids)).reshape([T, V]),
  );
  const norm = (x: Foreign, w: Foreign) => {
    const mean = np.mean(np.square(x.ref), -1, { keepdims: true });
    return x.mul(np.reciprocal(np.sqrt(mean.add(1e-5)))).mul(w);
  };
  const lossOf = (w: Record<string, Foreign>, input: Foreign, output: Foreign) => {
    let x = np.matmul(input, w.embedding.ref).add(w.positions);
    for (let l = 0; l < L; l++) {
      const h = norm(x.ref, w[`normA${l}`]);
      const heads = (y: Foreign, name: string) =>
        np.matmul(y, w[name + l]).reshape([1, T, H, D / H]);
      const [q, k, v] = [heads(h.ref, 'q'), heads(h.ref, 'k'), heads(h, 'v')];
      const mixed = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([T, D]);
      x = x.add(np.matmul(mixed, w[`o${l}`]));
      const m = norm(x.ref, w[`normF${l}`]);
      const gate = np.matmul(m.ref, w[`gate${l}`]);
      const gated = nn.silu(gate).mul(np.matmul(m, w[`up${l}`]));
      x = x.add(np.matmul(gated, w[`down${l}`]));
    }
    const logits = np.matmul(norm(x, w.norm), np.transpose(w.embedding));
    return np.mean(nn.logsumexp(logits.ref, -1).sub(np.sum(logits.mul(output), -1)));
  };
  const forward = jit(lossOf);
  const names = Object.keys(shapes);
  const update = jit(
    (w: Foreign, m: Foreign, v: Foreign, input: Foreign, output: Foreign): Foreign[] => {
      const [loss, g] = valueAndGrad(lossOf)(tree.ref(w), input, output);
      const [nextW, nextM, nextV]: Record<string, Foreign>[] = [{}, {}, {}];
      for (const name of names) {
        nextM[name] = m[name].mul(0.9).add(g[name].ref.mul(0.1));
        nextV[name] = v[name].mul(0.999).add(np.square(g[name]).mul(0.001));
        const by = nextM[name].ref.div(np.sqrt(nextV[name].ref).add(1e-8));
        nextW[name] = w[name].sub(by.mul(RATE));
      }
      return [loss, nextW, nextM, nextV];
    },
  );
  const zeros = () => tree.map((x: Foreign) => np.zeros(x.shape), p);
  let [m, v] = [zeros(), zeros()];
  return {
    name: 'jax-js (wasm)',
    forward: async () => (await forward(tree.ref(p), from.ref, to.ref).data())[0],
    async step() {
      let loss: Foreign;
      [loss, p, m, v] = update(p, m, v, from.ref, to.ref);
      await it.blockUntilReady(p);
      return (await loss.data())[0];
    },
  };
}

/** Those that are installed and run here. */
export async function trainingPeers(): Promise<TrainingPeer[]> {
  const peers: TrainingPeer[] = [];
  for (const make of [tensorflow, jax]) {
    const peer = await make();
    if (!peer) continue;
    try {
      await peer.step();
      peers.push(peer);
    } catch (error) {
      console.error(`${peer.name} does not run here: ${(error as Error).message}`);
    }
  }
  return peers;
}
