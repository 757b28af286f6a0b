// A policy on its way to a worker: functions cannot be sent, so it goes as its axes, and as the
// name of a registered policy where it has a formula of its own.
import { OptionError } from '../../errors.ts';
import { definePolicy } from '../../policy/define.ts';
import type { Policy } from '../../policy/policy.ts';
import { policies } from '../../policy/registry.ts';

export interface PolicyData {
  readonly axes: Omit<Policy, 'score'>;
  /**
   * The registered policy whose formula scores; undefined where the score follows from the axes.
   */
  readonly formula?: string;
}

/** A policy as data. Throws OptionError for a formula that is in no registered policy. */
export function policyData({ score, ...axes }: Policy): PolicyData {
  if (axes.composed) return { axes };
  const known = policies.find((p) => p.score === score);
  if (!known) {
    throw new OptionError(
      `policy '${axes.name}' has a score function of its own, which workers cannot be sent: ` +
        `load the model with pipeline: 1, or compose a policy of axes`,
    );
  }
  return { axes, formula: known.name };
}

/** The policy again. */
export function policyOf({ axes, formula }: PolicyData): Policy {
  return definePolicy({ ...axes, score: policies.find((p) => p.name === formula)?.score });
}
