// The command line as another process, in a pipe or a terminal, watched by what it prints: nothing
// here waits for a time.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** A command that takes longer hangs, on whatever machine. */
const LIMIT_MS = 600_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /**
   * What it printed since the last call that found something, up to and with the pattern. Rejects
   * where it ends before.
   */
  until(pattern: RegExp): Promise<string>;
  write(text: string): void;
  /** Sends a signal to the program itself. */
  signal(name: NodeJS.Signals): void;
}

export interface Start {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Columns of the terminal that it is started in. Default: it is in pipes. */
  readonly columns?: number;
}

/**
 * A terminal for a program: what is written here is typed there, and what it shows comes back. The
 * program's id goes to standard error.
 */
const TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
sys.stderr.write('pid %d\\n' % pid)
sys.stderr.flush()
open_ends = [0, fd]
while True:
    for ready in select.select(open_ends, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b''
        if ready == 0:
            if data: os.write(fd, data)
            else: open_ends.remove(0)
        elif data:
            os.write(1, data)
        else:
            status = os.waitpid(pid, 0)[1]
            sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** Why there are no terminals here; undefined where there are. */
export const noTerminal = ((): string | undefined => {
  try {
    execFileSync('python3', ['-c', 'import pty, fcntl, termios'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no python3 with a pty module';
  }
})();

/** Starts node with arguments, those of the command line by default. */
export function start(args: readonly string[], { env, cwd, columns }: Start = {}): Program {
  const command = [process.execPath, ...args];
  const [file, ...rest] =
    columns === undefined ? command : ['python3', '-c', TERMINAL, String(columns), ...command];
  // what npm says of itself is not this program's
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')),
  );
  const child = spawn(file, rest, {
    cwd,
    env: { ...inherited, TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [out, err, seen] = ['', '', 0];
  let pid = columns === undefined ? child.pid : undefined;
  let isOver = false;
  const listeners = new Set<() => void>();
  const heard = () => {
    for (const listen of listeners) listen();
  };
  // both streams in the order in which they came: what is waited for may be on either
  let all = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    all += text;
    heard();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    pid ??= Number(/^pid (\d+)/.exec(err)?.[1]) || undefined;
    all += text;
    heard();
  });
  child.stdin.on('error', () => {}); // it may end before it has read everything
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => {
      clearTimeout(limit);
      isOver = true;
      heard();
      resolve({ code, out, err });
    });
  });
  return {
    child,
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(all.slice(seen));
          if (!found && !isOver) return;
          listeners.delete(look);
          if (!found)
            return reject(new Error(`it ended before ${pattern}, after: ${all.slice(seen)}`));
          const end = seen + found.index + found[0].length;
          resolve(all.slice(seen, end));
          seen = end;
        };
        listeners.add(look);
        look();
      }),
    write: (text) => child.stdin.write(text),
    signal: (name) => process.kill(pid!, name),
  };
}

/** Runs a command to its end. */
export function run(
  args: readonly string[],
  { input = '', ...options }: Start & { input?: string } = {},
): Promise<Ended> {
  const program = start([main, ...args], options);
  program.child.stdin!.end(input);
  return program.ended;
}
