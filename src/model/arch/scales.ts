// Multipliers of embeddings, residuals and log-odds (Granite, MiniCPM).
import type { MetadataReader } from '../metadata.ts';
import type { Description } from './architecture.ts';

/** Keys that scalesOf() follows. */
export const scaleKeys = ['embedding_scale', 'residual_scale', 'logit_scale'] as const;

export interface Scales extends Pick<Description, 'embeddingScale' | 'logitScale'> {
  /** What the output of every block is multiplied by. */
  readonly outputScale?: number | undefined;
}

/** Log-odds are divided by their scale. A scale of 0, or 1, is none. */
export function scalesOf(
  read: MetadataReader,
  fallback: { readonly embedding?: number; readonly residual?: number; readonly logits?: number },
): Scales {
  const scale = (key: string, otherwise?: number) => {
    const given = read.finite(key, otherwise);
    return given === 0 || given === 1 ? undefined : given;
  };
  const logits = scale('logit_scale', fallback.logits);
  return {
    embeddingScale: scale('embedding_scale', fallback.embedding ?? 0),
    outputScale: scale('residual_scale', fallback.residual ?? 0),
    logitScale: logits === undefined ? undefined : 1 / logits,
  };
}
