// Two runs beside one another, as of two users' devices: every figure that either has.
import { type BenchRun, format } from '../report.ts';
import type { DeviceFacts } from './group.ts';

export const describeDevice = ({ name, isSoftware, abilities, runtime, model }: DeviceFacts) =>
  `device: ${name}${isSoftware ? ' (the CPU)' : ''}, ${abilities.join(', ') || 'no subgroups'}; ` +
  `${runtime}; model ${model.name}, ${model.bytes} bytes`;

const figuresOf = ({ groups }: BenchRun) =>
  new Map(
    groups.flatMap(({ name: group, measurements }) =>
      measurements.flatMap(({ name, rate, unit, peers = [] }) => [
        [`${group}: ${name}`, { rate, unit }] as const,
        ...peers.map(
          (peer) => [`${group}: ${name}, ${peer.name}`, { rate: peer.rate, unit }] as const,
        ),
      ]),
    ),
  );

/** A header of each run, a line a figure: the first run's, the second's, second / first. */
export function besideOneAnother(a: BenchRun, b: BenchRun): string {
  const head = [a, b].flatMap((run, i) => [
    `${'AB'[i]}: ${run.machine}, ${run.date}`,
    ...(run.device ? [`   ${describeDevice(run.device)}`] : []),
  ]);
  const models = [a, b].map(({ device }) => device && JSON.stringify(device.model));
  if (models[0] !== models[1]) head.push('the models are not the same file');
  const [before, now] = [figuresOf(a), figuresOf(b)];
  const lines = [...new Set([...before.keys(), ...now.keys()])].map((what) => {
    const [was, is] = [before.get(what), now.get(what)];
    const ratio = was && is ? `${format(is.rate / was.rate)} x` : '';
    const [left, right] = [was, is].map((one) => (one ? format(one.rate) : '-').padStart(12));
    return `${what.padEnd(64)} ${left} ${right} ${(was ?? is)!.unit.padEnd(9)} ${ratio}`.trimEnd();
  });
  const title = `${'B / A'.padStart(64 + 26 + 15)}`;
  return [...head, '', title, ...lines].join('\n');
}
