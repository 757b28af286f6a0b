// Who trains a model now. Adapters are trained side by side, each beside the weights; who changes
// the weights themselves is alone.
import { OptionError } from '../errors.ts';
import type { Network } from '../model/forward.ts';

const trainings = new WeakMap<Network, ('lora' | 'full')[]>();

/** Begins a training, until what it returns is called. Throws OptionError where it must wait. */
export function enter(network: Network, method: 'lora' | 'full'): () => void {
  const others = trainings.get(network) ?? [];
  if (others.length > 0 && (method === 'full' || others.includes('full')))
    throw new OptionError(
      method === 'full'
        ? `the model is being trained already, and method 'full' would change it meanwhile: wait ` +
            `for that, or load the model again`
        : `all weights of the model are being trained: wait for that, or load the model again`,
    );
  const now = [...others, method];
  trainings.set(network, now);
  return () => {
    const left = trainings.get(network)!;
    const at = left.indexOf(method);
    trainings.set(
      network,
      left.filter((_, i) => i !== at),
    );
  };
}
