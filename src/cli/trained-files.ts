// What a training leaves, as files: an adapter as GGUF or in PEFT's layout, or a whole model.
import { dirname, join } from 'node:path';
import { runtime } from '#runtime';
import { OptionError, UnsupportedError } from '../errors.ts';
import type { Model } from '../engine/model.ts';
import { ggufAdapter, peftAdapter } from '../model/adapter/write.ts';
import { joined } from '../model/gguf-writer.ts';
import type { Trained } from '../train/trained.ts';
import { writeText } from './files.ts';

const isGguf = (file: string) => file.toLowerCase().endsWith('.gguf');
const isSafetensors = (file: string) => file.toLowerCase().endsWith('.safetensors');

/** Throws OptionError for a name that says no format there is: found out before the work. */
export function checkOut(file: string, method: 'lora' | 'full'): void {
  if (isGguf(file) || (method === 'lora' && isSafetensors(file))) return;
  const wanted = method === 'lora' ? 'NAME.gguf or NAME.safetensors' : 'NAME.gguf';
  throw new OptionError(`out is '${file}', expected ${wanted}: the name says the format`);
}

export async function writeTrained(file: string, trained: Trained, model: Model): Promise<void> {
  const { adapter } = trained;
  if (!adapter) throw new UnsupportedError(`all weights cannot be written yet: train an adapter`);
  if (isGguf(file)) {
    await runtime.writeFile(file, joined(ggufAdapter(adapter, model.config)));
    return;
  }
  const { tensors, config } = peftAdapter(adapter, model.config);
  await runtime.writeFile(file, joined(tensors));
  await writeText(join(dirname(file), 'adapter_config.json'), config);
}
