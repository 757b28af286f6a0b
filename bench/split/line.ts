// Two hosts of our own on this machine, in network namespaces, and the line between them: as fast as
// it gets, or of so many bits a second each way (a token bucket in the kernel).
import { execFileSync, spawn } from 'node:child_process';

/** Addresses of the hosts, which nobody else sees. */
const ADDRESSES = ['10.213.7.1', '10.213.7.2'] as const;
/** What a bucket holds, and how long what does not fit may wait. */
const BUCKET = ['burst', '32kb', 'latency', '100ms'];

const run = (file: string, ...words: string[]) => execFileSync(file, words, { stdio: 'pipe' });

export interface Line {
  /** The second host's address. */
  readonly address: string;
  /** Starts Node on a host. */
  start(host: 0 | 1, words: readonly string[]): ReturnType<typeof spawn>;
  /** Bits a second from now on; undefined: no limit. */
  limit(bitsPerSecond: number | undefined): void;
  close(): void;
}

/** Throws where this machine has no namespaces for us: root and Debian's iproute2 are needed. */
export function openLine(): Line {
  const name = (what: string, i: number) => `${what}${process.pid}-${i}`;
  const [spaces, ends] = ['rc', 'v'].map((what) => [name(what, 0), name(what, 1)]);
  const inside = (i: number, ...words: string[]) => run('ip', 'netns', 'exec', spaces[i], ...words);
  const close = () => {
    for (const space of spaces) {
      try {
        run('ip', 'netns', 'delete', space);
      } catch {
        // it was never made
      }
    }
  };
  try {
    for (const space of spaces) run('ip', 'netns', 'add', space);
    run('ip', 'link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1]);
    for (const [i, end] of ends.entries()) {
      run('ip', 'link', 'set', end, 'netns', spaces[i]);
      inside(i, 'ip', 'address', 'add', `${ADDRESSES[i]}/24`, 'dev', end);
      inside(i, 'ip', 'link', 'set', end, 'up');
    }
  } catch (cause) {
    close();
    throw new Error('no network namespaces here: be root, and install iproute2', { cause });
  }
  let isLimited = false;
  return {
    address: ADDRESSES[1],
    start: (host, words) =>
      spawn('ip', ['netns', 'exec', spaces[host], process.execPath, ...words], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    limit(bitsPerSecond) {
      for (const [i, end] of ends.entries()) {
        if (isLimited) inside(i, 'tc', 'qdisc', 'delete', 'dev', end, 'root');
        if (bitsPerSecond !== undefined)
          inside(
            i,
            ...['tc', 'qdisc', 'add', 'dev', end, 'root', 'tbf'],
            ...['rate', `${bitsPerSecond}bit`, ...BUCKET],
          );
      }
      isLimited = bitsPerSecond !== undefined;
    },
    close,
  };
}
