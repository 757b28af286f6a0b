// A feed-forward of many experts: a router chooses a few for each token, which are summed up by
// what it gives them.
//
// T tokens at hand, D width, E experts of inner width F, k of them a token.
import type { PlainActivation } from '../../backend/product.ts';
import type { Routing } from '../../backend/experts.ts';
import { applyLinear } from '../linear.ts';
import { type BlockOf, expertMatrix, matrix, type Residual, vector } from './block.ts';

export interface ExpertsSpec extends Residual {
  readonly kind: 'experts';
  readonly experts: number;
  readonly used: number;
  readonly width: number;
  readonly activation: PlainActivation;
  readonly gate: Routing['gate'];
  /** Whether the weights of the chosen are made to add up to 1. */
  readonly renormalise: boolean;
  /** What weights are multiplied by. Default 1. */
  readonly weightScale?: number;
  /** Whether the router has a bias by which it chooses and does not weigh (exp_probs_b). */
  readonly choiceBias?: boolean;
  /** Whether the router's product and the experts' matrices have biases. */
  readonly biased?: boolean;
  /** Whether gate and up are one tensor, ffn_gate_up_exps. */
  readonly isFused?: boolean;
  /**
   * The tensor of an RMS norm that the router's own input goes through, before it is divided by the
   * root of the width; default: it reads what the experts do.
   */
  readonly routerNorm?: string;
  /** Names of the router, and what those of the experts end with. */
  readonly router?: string;
  readonly suffix?: string;
}

const tensors = (spec: ExpertsSpec, D: number) => {
  const { experts: E, width: F, biased, isFused, choiceBias } = spec;
  const { router = 'ffn_gate_inp', suffix = '_exps' } = spec;
  const of = (name: string, m: number, k: number) =>
    expertMatrix(`${name}${suffix}`, E, m, k, { biased });
  return {
    router: matrix(router, E, D, { biased }),
    routerNorm: spec.routerNorm ? vector(spec.routerNorm, D, { suffix: '' }) : undefined,
    choiceBias: choiceBias ? vector('exp_probs_b', E, { suffix: '.bias' }) : undefined,
    gate: isFused ? undefined : of('ffn_gate', F, D),
    up: isFused ? of('ffn_gate_up', 2 * F, D) : of('ffn_up', F, D),
    down: of('ffn_down', D, F),
  };
};

const room = ({ experts, used, routerNorm }: ExpertsSpec, D: number) => ({
  normed: D,
  routed: routerNorm ? D : 0,
  logits: experts,
  ids: used,
  weights: used,
});

export const experts: BlockOf<ExpertsSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  scratch: ({ experts: E, used, width: inner }, D) => ({
    experts: { experts: E, used, width: D, inner },
  }),
  forward(piece, spec, w, s) {
    const { backend, T, normEps, before } = piece;
    const { used, gate, renormalise, weightScale: scale, activation } = spec;
    if (!backend.experts) throw new RangeError(`backend '${backend.name}' has no experts`);
    let { x } = piece;
    if (before) {
      backend.rmsNorm(s.normed, x, before.norm.w, T, normEps);
      x = s.normed;
    }
    if (w.routerNorm) {
      backend.rmsNorm(s.routed, piece.x, w.routerNorm, T, normEps);
      applyLinear(piece, [[s.logits, w.router]], s.routed);
      backend.scale(s.logits, 1 / Math.sqrt(s.routed.columns), T);
    } else applyLinear(piece, [[s.logits, w.router]], x); // [T, E]
    const choice = { ids: s.ids.address, weights: s.weights }; // [T, k]
    backend.experts.route(choice, s.logits, T, {
      used,
      gate,
      renormalise,
      bias: w.choiceBias,
      scale,
    });
    const layer = { gate: w.gate, up: w.up, down: w.down, activation };
    backend.experts.apply(piece.y, x, T, choice, layer, piece.behind !== undefined); // [T, D]
    return true;
  },
};
