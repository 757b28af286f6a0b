// The training pass: a batch of tokens forward through the layers, their losses, and back. It reads
// like the forward pass (forward.ts) and then the same backwards. It knows no optimiser: it adds to
// the gradients of what is trained.
//
// T tokens of a batch, D width, V vocabulary. All activations and gradients f32.
import type { Sequence } from '../backend/training.ts';
import type { Tensor } from '../backend/tensor.ts';
import { UnsupportedError } from '../errors.ts';
import type { Batch } from './blocks/block.ts';
import { learningOf, unlearnedError } from './blocks/registry.ts';
import type { ModelConfig } from './config.ts';
import type { Network } from './forward.ts';
import type { LearningRoom } from './learning-room.ts';
import { applyLinear, type Learner, linearGradient } from './linear.ts';
import type { ModelWeights } from './weights.ts';

/** Where gradients are added up; undefined: not trained. */
export type GradientOf = Learner['gradientOf'];

/** Target of a token that nothing is learned from. */
export const NO_TARGET = -1;

/** Throws UnsupportedError for a model with anything that has no way back. */
export function checkLearnable(config: ModelConfig, weights?: ModelWeights): void {
  for (const spec of config.layerSpecs.flat()) learningOf(spec);
  const [scaled] = weights?.layers.flatMap((layer) => layer.scaled) ?? [];
  if (config.logitCap !== undefined) throw unlearnedError('capped log-odds');
  if (config.layerInputs) throw unlearnedError('inputs of each layer');
  if (scaled !== undefined) throw unlearnedError(`a scale of a matrix (${scaled})`);
}

export class LearningPass {
  readonly #network: Network;
  readonly #room: LearningRoom;
  readonly #gradientOf: GradientOf;
  /** What came in last. */
  #sequences: readonly Sequence[] = [];
  #count = 0;

  /** Throws UnsupportedError for a backend that cannot train. */
  constructor(network: Network, room: LearningRoom, gradientOf: GradientOf) {
    if (!network.backend.training)
      throw new UnsupportedError(
        `the ${network.backend.name} backend cannot train: use backend 'wasm'`,
      );
    this.#network = network;
    this.#room = room;
    this.#gradientOf = gradientOf;
  }

  get #training() {
    return this.#network.backend.training!;
  }

  /**
   * Runs sequences of tokens, one behind the other, each from position 0 on, through all layers;
   * their activations stay for backward().
   */
  forward(input: readonly number[] | Float32Array, sequences: readonly Sequence[]): void {
    const { backend, config, weights, rotaries } = this.#network;
    const { ids, angles, layers, input: x } = this.#room;
    this.#sequences = sequences;
    this.#count = sequences.reduce((sum, { count }) => sum + count, 0);
    for (const { from, count } of sequences)
      for (const [i, rotary] of rotaries.entries()) {
        const { address, rotated } = angles[i];
        rotary.write(backend, address + from * rotated * 4, 0, count);
      }
    if (input instanceof Float32Array) backend.write(x.address, input);
    else {
      backend.write(ids, Int32Array.from(input));
      backend.embed(x, weights.embedding!, ids, this.#count);
      const { embeddingScale } = config;
      if (embeddingScale !== undefined) backend.scale(x, embeddingScale, this.#count);
    }
    for (const layer of layers.keys()) this.#forwardLayer(layer);
  }

  /** Inputs and activations of a layer's blocks, from what came into it. */
  #forwardLayer(layer: number): void {
    const { backend, config, weights } = this.#network;
    const { layers, normed, y } = this.#room;
    const { inputs, outputs, blocks } = layers[layer];
    const T = this.#count;
    for (const [b, block] of weights.layers[layer].blocks.entries()) {
      const { norm, normAfter, outputScale, learning } = block;
      const [x, next] = [inputs[b], inputs[b + 1]];
      if (norm) backend.rmsNorm(normed, x, norm, T, config.normEps);
      const raw = normAfter ? outputs[b] : y;
      learning.forward(this.#batch(norm ? normed : x), blocks[b], raw); // y = f(norm(x))
      if (normAfter) backend.rmsNorm(y, raw, normAfter, T, config.normEps);
      if (outputScale !== undefined) backend.scale(y, outputScale, T);
      backend.copy(next.address, x.address, T * config.width * 4);
      backend.add(next, y, T); // next = x + y
    }
  }

  #batch(h: Tensor): Batch {
    const { backend, config } = this.#network;
    return {
      backend,
      training: this.#training,
      gradientOf: this.#gradientOf,
      T: this.#count,
      sequences: this.#sequences,
      normEps: config.normEps,
      angles: this.#room.angles,
      adapterRoom: this.#room.adapterRoom,
      low: this.#room.low,
      h,
    };
  }

  /**
   * The loss of each token that has a target, in order, after forward(); and, where `scale` is
   * given, the gradient of their sum times it with respect to the last hidden states, which
   * backward() begins with. What is trained of the head is added to.
   */
  async losses(targets: readonly number[], scale?: number): Promise<Float32Array> {
    const { backend, config } = this.#network;
    const { output: hidden, dx, head } = this.#room;
    const rowBytes = config.width * 4;
    if (scale !== undefined) this.#training.clear(dx.address, this.#count * config.width);
    const counted = targets.flatMap((target, t) => (target === NO_TARGET ? [] : [t]));
    const losses: Promise<Float32Array>[] = [];
    for (let at = 0; at < counted.length; at += head.tokens) {
      const piece = counted.slice(at, at + head.tokens);
      const runs = runsOf(piece);
      for (const { row, from, count } of runs)
        backend.copy(
          head.rows.address + row * rowBytes,
          hidden.address + from * rowBytes,
          count * rowBytes,
        );
      const wanted = Int32Array.from(piece, (t) => targets[t]);
      losses.push(this.#headOf(wanted, scale));
      if (scale === undefined) continue;
      for (const { row, from, count } of runs)
        backend.copy(
          dx.address + from * rowBytes,
          head.normed.address + row * rowBytes,
          count * rowBytes,
        );
    }
    const parts = await Promise.all(losses);
    const all = new Float32Array(counted.length);
    for (const [i, part] of parts.entries()) all.set(part, i * head.tokens);
    return all;
  }

  /** Losses of the rows of the head's room, whose gradients are left in `normed`. */
  #headOf(targets: Int32Array, scale: number | undefined): Promise<Float32Array> {
    const { backend, config, weights } = this.#network;
    const { head, dh } = this.#room;
    const { rows, normed, logits } = head;
    const [n, eps] = [targets.length, config.normEps];
    const output = { weight: weights.output! };
    backend.write(head.targets, targets);
    backend.rmsNorm(normed, rows, weights.outputNorm!, n, eps);
    applyLinear({ backend, T: n }, [[logits, output]], normed); // [n, V]
    const { logitScale } = config;
    if (logitScale !== undefined) backend.scale(logits, logitScale, n);
    this.#training.crossEntropy(head.losses, logits, head.targets, n, scale ?? 0);
    const losses = backend.readFloats(head.losses, n);
    if (scale === undefined) return losses;
    if (logitScale !== undefined) backend.scale(logits, logitScale, n);
    const learner = { ...this.#batch(normed), T: n };
    linearGradient(learner, [[logits, output]], normed, dh); // [n, D]
    const dw = this.#gradientOf(weights.outputNorm!);
    this.#training.rmsNormGradient(normed, dh, rows, weights.outputNorm!, n, eps, { dw });
    return losses;
  }

  /**
   * Back through all layers, from the gradient of the last hidden states: losses() left it, or
   * `dx` is it, f32 [T, D]. Layers below the first one that has anything to learn are left out,
   * where nobody wants their input's gradient (`wantsInput`).
   */
  backward({ dx, wantsInput = false }: { dx?: Float32Array; wantsInput?: boolean } = {}): void {
    const { backend, config, weights } = this.#network;
    const room = this.#room;
    if (dx) backend.write(room.dx.address, dx);
    const { embedding } = weights;
    const dEmbedding = embedding && weights.first === 0 ? this.#gradientOf(embedding) : undefined;
    const toInput = wantsInput || dEmbedding !== undefined;
    const lowest = toInput ? 0 : this.#lowestTrained();
    for (let layer = room.layers.length - 1; layer >= lowest; layer--) {
      if (!room.layers[layer].isKept) this.#forwardLayer(layer);
      this.#backwardLayer(layer, toInput || layer > lowest);
    }
    if (!dEmbedding) return;
    const { embeddingScale } = config;
    if (embeddingScale !== undefined) backend.scale(room.dx, embeddingScale, this.#count);
    this.#training.embeddingGradient(dEmbedding, room.dx, room.ids, this.#count);
  }

  /** Turns room.dx, the gradient of what the layer gave, into that of what came into it. */
  #backwardLayer(layer: number, isWanted: boolean): void {
    const { backend, config, weights } = this.#network;
    const { layers, normed, y, dx, dh } = this.#room;
    const { inputs, outputs, blocks: rooms } = layers[layer];
    const { blocks } = weights.layers[layer];
    const [T, eps] = [this.#count, config.normEps];
    for (let b = blocks.length - 1; b >= 0; b--) {
      const { norm, normAfter, outputScale, learning } = blocks[b];
      const x = inputs[b];
      const wanted = isWanted || b > 0;
      if (norm) backend.rmsNorm(normed, x, norm, T, eps);
      let dy = dx;
      if (outputScale !== undefined) {
        backend.copy(y.address, dx.address, T * config.width * 4);
        backend.scale(y, outputScale, T);
        dy = y;
      }
      if (normAfter) {
        const dw = this.#gradientOf(normAfter);
        this.#training.rmsNormGradient(y, dy, outputs[b], normAfter, T, eps, { dw });
        dy = y;
      }
      const dNorm = norm && this.#gradientOf(norm);
      const h = norm ? normed : x;
      const into = wanted || dNorm ? dh : undefined;
      learning.backward(this.#batch(h), rooms[b], dy, into);
      if (norm && into)
        this.#training.rmsNormGradient(dx, dh, x, norm, T, eps, { dw: dNorm, add: true });
      else if (wanted) backend.add(dx, dh, T);
    }
  }

  /** The first layer that has anything to learn. */
  #lowestTrained(): number {
    const { layers } = this.#network.weights;
    const found = layers.findIndex(({ parameters }) =>
      parameters.some(({ at }) => this.#gradientOf(at) !== undefined),
    );
    return found < 0 ? layers.length : found;
  }

  /** Hidden states f32 [T, D] behind the last layer, after forward(). */
  readOutput(): Promise<Float32Array> {
    const { backend, config } = this.#network;
    return backend.readFloats(this.#room.output.address, this.#count * config.width);
  }

  /**
   * Gradient of the input f32 [T, D], after backward({ wantsInput: true }); or of the last hidden
   * states, after losses().
   */
  readInputGradient(): Promise<Float32Array> {
    const { backend, config } = this.#network;
    return backend.readFloats(this.#room.dx.address, this.#count * config.width);
  }
}

/** Numbers that follow one another, as runs: `row` of the list on, `count` from `from` on. */
function runsOf(numbers: readonly number[]): { row: number; from: number; count: number }[] {
  const runs: { row: number; from: number; count: number }[] = [];
  for (const [row, n] of numbers.entries()) {
    const last = runs[runs.length - 1];
    if (last && n === last.from + last.count) last.count++;
    else runs.push({ row, from: n, count: 1 });
  }
  return runs;
}
