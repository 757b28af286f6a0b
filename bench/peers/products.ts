// f32 matrix products of onnxruntime-web and tfjs in WebAssembly, one thread.
import { dirname } from 'node:path';
import { loadPeer, peerPath } from './load.ts';

/** A product [n, k] x [k, m] that can be made again and again. */
export interface PeerProduct {
  readonly peer: string;
  run(): Promise<unknown>;
}

interface Ort {
  readonly env: { wasm: { numThreads: number } };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(model: Uint8Array): Promise<{ run(feeds: Record<string, unknown>): Promise<unknown> }>;
  };
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  tensor2d(data: Float32Array, shape: readonly number[]): unknown;
  matMul(a: unknown, b: unknown): { data(): Promise<Float32Array>; dispose(): void };
}
interface TfWasm {
  setWasmPaths(folder: string): void;
  setThreadsCount(count: number): void;
}

/** A protobuf field: a number, or bytes. */
function field(number: number, value: number | Uint8Array | string): number[] {
  const varint = (n: number): number[] =>
    n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))];
  if (typeof value === 'number') return [...varint(number << 3), ...varint(value)];
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return [...varint((number << 3) | 2), ...varint(bytes.length), ...bytes];
}
const message = (...fields: number[][]) => Uint8Array.from(fields.flat());

/** An ONNX model of one MatMul: y [n, m] = x [n, k] w [k, m], both given at each run. */
function matMulModel(n: number, k: number, m: number): Uint8Array {
  const value = (name: string, dims: readonly number[]) => {
    const shape = message(...dims.map((d) => field(1, message(field(1, d)))));
    const tensor = message(field(1, 1), field(2, shape));
    return message(field(1, name), field(2, message(field(1, tensor))));
  };
  const node = message(field(1, 'x'), field(1, 'w'), field(2, 'y'), field(4, 'MatMul'));
  const graph = message(
    field(1, node),
    field(2, 'g'),
    field(11, value('x', [n, k])),
    field(11, value('w', [k, m])),
    field(12, value('y', [n, m])),
  );
  return message(field(1, 8), field(7, graph), field(8, message(field(1, ''), field(2, 13))));
}

/** Peers that are installed, set up for a shape. */
export async function peerProducts(
  n: number,
  k: number,
  m: number,
  x: Float32Array,
  w: Float32Array,
): Promise<PeerProduct[]> {
  const products: PeerProduct[] = [];
  const ort = await loadPeer<Ort>('onnxruntime-web');
  if (ort) {
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(matMulModel(n, k, m));
    const feeds = {
      x: new ort.Tensor('float32', x, [n, k]),
      w: new ort.Tensor('float32', w, [k, m]),
    };
    products.push({ peer: 'onnxruntime-web', run: () => session.run(feeds) });
  }
  const [tf, tfWasm] = [
    await loadPeer<Tf>('@tensorflow/tfjs'),
    await loadPeer<TfWasm>('@tensorflow/tfjs-backend-wasm'),
  ];
  const wasm = peerPath('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm');
  if (tf && tfWasm && wasm) {
    tfWasm.setWasmPaths(`${dirname(wasm)}/`);
    tfWasm.setThreadsCount(1);
    await tf.setBackend('wasm');
    const [a, b] = [tf.tensor2d(x, [n, k]), tf.tensor2d(w, [k, m])];
    products.push({
      peer: 'tfjs-wasm',
      async run() {
        const y = tf.matMul(a, b);
        await y.data();
        y.dispose();
      },
    });
  }
  return products;
}
