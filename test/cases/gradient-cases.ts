// All cases of gradients, a file a group.
import { denseGradientCases } from './dense-gradients.ts';
import type { GradientCase } from './gradients.ts';
import { productGradientCases } from './product-gradients.ts';

export const gradientCases: readonly GradientCase[] = [
  ...productGradientCases,
  ...denseGradientCases,
];
