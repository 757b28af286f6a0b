// What a training leaves, as files: an adapter as GGUF or in PEFT's layout, or a whole model.
import { dirname, join } from 'node:path';
import { OptionError } from '../errors.ts';
import type { Model } from '../engine/model.ts';
import { PEFT_CONFIG, PEFT_MODEL } from '../model/adapter/open.ts';
import { ggufAdapter, peftAdapter } from '../model/adapter/write.ts';
import type { MergeType } from '../model/rewrite.ts';
import { writeTrainedModel } from '../train/model-file.ts';
import type { Trained } from '../train/trained.ts';
import { checkWritable, isThere, openOutput, writeText } from './files.ts';

const isGguf = (file: string) => file.toLowerCase().endsWith('.gguf');
const isSafetensors = (file: string) => file.toLowerCase().endsWith('.safetensors');

/** Throws OptionError for a name that says no format there is: found out before the work. */
export async function checkOut(file: string, method: 'lora' | 'full'): Promise<void> {
  if (isGguf(file)) return;
  if (method === 'lora' && isSafetensors(file)) return checkConfig(file);
  const wanted = method === 'lora' ? 'NAME.gguf or NAME.safetensors' : 'NAME.gguf';
  throw new OptionError(`out is '${file}', expected ${wanted}: the name says the format`);
}

/** Throws OptionError where the folder's configuration belongs to another adapter. */
async function checkConfig(file: string): Promise<void> {
  const config = join(dirname(file), PEFT_CONFIG);
  if ((await isThere(config)) && !(await isThere(file)))
    throw new OptionError(
      `'${config}' is another adapter's, and '${file}' needs one of its own: choose a folder of ` +
        `its own`,
    );
  await checkWritable(config);
}

/** Files that an adapter is read from, whether it is named by its file or by its folder. */
export const filesOf = (adapter: string): string[] => [adapter, join(adapter, PEFT_MODEL)];

/** Writes what was trained of the model that `input` names. Throws OptionError where it cannot. */
export async function writeTrained(
  file: string,
  { adapter, weights }: Pick<Trained, 'adapter' | 'weights'>,
  model: Pick<Model, 'config'>,
  { input, type }: { readonly input: string; readonly type: MergeType },
): Promise<void> {
  const output = await openOutput(file);
  try {
    if (weights) await writeTrainedModel(input, weights, { type, write: output.write });
    else if (isGguf(file))
      for (const piece of ggufAdapter(adapter!, model.config)) await output.write(piece);
    else {
      const { tensors, config } = peftAdapter(adapter!, model.config);
      for (const piece of tensors) await output.write(piece);
      await writeText(join(dirname(file), PEFT_CONFIG), config);
    }
    await output.finish();
  } finally {
    await output.abandon();
  }
}
