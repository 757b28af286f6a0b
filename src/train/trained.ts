// What a training leaves: an adapter, or a model's weights, as numbers and as files.
import type { Model } from '../engine/model.ts';
import type { AdapterData, PairData } from '../model/adapter/write.ts';
import type { Parameters } from './parameters.ts';
import type { TrainingResult } from './report.ts';

/** A training that is over. */
export interface Trained {
  readonly result: TrainingResult;
  /** With method 'lora': the adapter; ggufAdapter() and peftAdapter() make files of it. */
  readonly adapter?: AdapterData;
  /** With method 'full': f32 numbers of each tensor, by its name in the file. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
}

/** Reads what was trained out of memory, before it is given back. */
export async function trainedOf(
  model: Pick<Model, 'config'>,
  result: TrainingResult,
  parameters: Parameters,
  { method, rank, alpha }: { method: 'lora' | 'full'; rank: number; alpha: number },
): Promise<Trained> {
  const numbers = new Map<string, Float32Array>();
  for (const parameter of parameters.all)
    numbers.set(parameter.name, await parameters.read(parameter));
  if (method === 'full') return { result, weights: numbers };
  return { result, adapter: adapterOf(model, numbers, { rank, alpha }) };
}

/** An adapter from the numbers of its matrices, by name, in order. */
export function adapterOf(
  { config }: Pick<Model, 'config'>,
  numbers: ReadonlyMap<string, Float32Array>,
  { rank, alpha }: { readonly rank: number; readonly alpha: number },
): AdapterData {
  const pairs = [...numbers.keys()].flatMap((name): PairData[] => {
    const [, matrix] = /^(.*)\.lora_a$/.exec(name) ?? [];
    if (matrix === undefined) return [];
    return [{ matrix, rank, a: numbers.get(name)!, b: numbers.get(`${matrix}.lora_b`)! }];
  });
  return { name: config.name, alpha, pairs };
}
