// All features that are tried, in the order of the document.
import { conversationFeatures } from './conversations.ts';
import { evaluationFeatures } from './evaluation.ts';
import type { Feature } from './outcome.ts';
import { policyFeatures } from './policies.ts';
import { rowFeatures } from './rows.ts';
import { deviceFeature, scheduleFeatures } from './schedules.ts';
import { trainingFeatures } from './training.ts';

export const features: readonly Feature[] = [
  ...policyFeatures,
  ...rowFeatures,
  ...scheduleFeatures,
  deviceFeature('webgpu'),
  ...conversationFeatures,
  ...trainingFeatures,
  ...evaluationFeatures,
];

/** What a group of features is called in the document. */
export const groups: Readonly<Record<string, string>> = {
  policies: 'Policies',
  sharing: 'Sharing of the budget',
  rows: 'Types of cached rows',
  schedules: 'Who runs the layers',
  conversations: 'Conversations',
  training: 'Adapters, training, models in two halves',
  evaluation: 'Evaluation',
};
