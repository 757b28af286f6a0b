// Adapters as PEFT's files hold them: lora_A [r, k] and lora_B [m, r] of modules, by Hugging Face's
// names, in adapter_model.safetensors; what they are multiplied by, in adapter_config.json.
import { ModelFormatError, UnsupportedError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import { clip } from '../damaged.ts';
import type { TensorInfo } from '../gguf.ts';
import type { ModelSource } from '../source.ts';
import { type Reordered, rowOrder } from './order.ts';
import { type Half, pairUp, type ScaledPair } from './pairs.ts';
import { readPeftConfig } from './peft-config.ts';
import { readSafetensors } from './safetensors.ts';
import { matrixOf, placeOf, targetNames, targets } from './spec.ts';

const PREFIX = /^(?:base_model\.model\.)?(?:model\.)?/;
const MODULE = /^layers\.(\d{1,6})\.([\w.]+)\.lora_([AB])(?:\.default)?\.weight$/;

const modules = targetNames.map((key) => targets[key].peft).join(', ');

/** A module's name, as patterns of the configuration see it. */
export const moduleOf = (matrix: string): string => {
  const { layer, target } = placeOf(matrix)!;
  return `model.layers.${layer}.${targets[target].peft}`;
};

/**
 * Reads a header, and what the configuration says of it. Some tensors' rows lie in another order
 * than GGUF has them. Throws ModelFormatError and UnsupportedError.
 */
export async function readPeftAdapter(
  source: ModelSource,
  configText: string,
  configName: string,
  model: ModelConfig,
): Promise<{ pairs: ScaledPair[]; reordered: Reordered[] }> {
  const config = readPeftConfig(configText, configName);
  const tensors = await readSafetensors(source);
  const halves = tensors.map((tensor) => halfOf(tensor, source.name));
  const pairs = pairUp(halves, source.name).map((pair): ScaledPair => {
    const module = moduleOf(pair.matrix);
    const rank = config.rankOf(module);
    if (rank !== pair.rank)
      throw new ModelFormatError(
        `${source.name}: tensor '${clip(pair.a.name)}' has rank ${pair.rank}, ${configName} says ` +
          `${rank}: the two are not of one adapter, get another copy`,
      );
    const scale = config.scaleOf(module);
    if (!Number.isFinite(scale))
      throw new ModelFormatError(
        `${configName}: '${clip(pair.a.name)}' would be scaled by ${scale}: get another copy`,
      );
    return { ...pair, scale };
  });
  const reordered = pairs.flatMap(({ matrix, b }) => {
    const heads = rowOrder(matrix, model);
    return heads === undefined ? [] : [{ tensor: b, heads }];
  });
  return { pairs, reordered };
}

function halfOf(tensor: TensorInfo, file: string): Half {
  const [, layer, name, side] = MODULE.exec(tensor.name.replace(PREFIX, '')) ?? [];
  const target = targetNames.find((key) => targets[key].peft === name);
  if (target === undefined)
    throw new UnsupportedError(
      `${file}: tensor '${clip(tensor.name)}' is none that we apply: adapters may have lora_A ` +
        `and lora_B of ${modules} of layers; leaving it out would change the answers`,
    );
  return {
    matrix: matrixOf(Number(layer), target),
    side: side === 'A' ? 'lora_a' : 'lora_b',
    tensor,
  };
}
