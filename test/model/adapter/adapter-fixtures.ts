// The adapters among the fixtures, with llama.cpp's figures.
import { existsSync, readdirSync } from 'node:fs';
import type { TextLogits } from '../../../src/engine/logits.ts';
import type { AdapterOption } from '../../../src/model/adapter/option.ts';
import { fixture, readJson } from '../../fixtures.ts';

export interface AdapterCase extends TextLogits {
  readonly name: string;
  readonly format: 'GGUF' | 'PEFT';
  readonly model: string;
  readonly options: readonly AdapterOption[];
}

interface Stored extends TextLogits {
  readonly model: string;
  readonly adapters: readonly { readonly name: string; readonly scale: number }[];
}

export const adapterFile = (name: string): string => fixture(`adapters/${name}`);

/** Each adapter, or adapters, in each format that there is. */
export const adapterCases: readonly AdapterCase[] = readdirSync(adapterFile(''))
  .filter((file) => file.endsWith('.json'))
  .flatMap((file) => {
    const { model, adapters, ...figures } = readJson<Stored>(adapterFile(file));
    return (['GGUF', 'PEFT'] as const).flatMap((format): AdapterCase[] => {
      const options = adapters.map(({ name, scale }) => ({
        source: adapterFile(format === 'GGUF' ? `${name}.gguf` : name),
        scale,
      }));
      if (!options.every(({ source }) => existsSync(source))) return [];
      const name = `${file.replace('.json', '')} as ${format}`;
      return [{ ...figures, name, format, model: fixture(model), options }];
    });
  });
