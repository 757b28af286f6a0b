// Split trainings whose servers and clients are processes of their own, for tests that kill them.
import { spawn } from 'node:child_process';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lines, MODEL, program, spawnServer, TOKEN } from './network.ts';

const CUT = { cut: 1, labels: 'server' } as const;
/** Trainings that nobody goes on with end soon: clients are killed before their first step, too. */
const LEASE_S = 20;

/** A client that trains, as a process. */
export interface ClientProcess {
  /** Whether it came to its end; throws what it said where it failed. */
  readonly ended: Promise<'trained' | 'killed'>;
  kill(): Promise<unknown>;
}

/** Two servers with one store, and the folder in which clients have their files. */
export class Fleet {
  readonly folder: string;
  readonly #store: string;
  readonly #steps: number;
  readonly #servers: Awaited<ReturnType<typeof spawnServer>>[] = [];

  private constructor(folder: string, store: string, steps: number) {
    this.folder = folder;
    this.#store = store;
    this.#steps = steps;
  }

  /** `store`: a folder of its own where none is named. */
  static async open(steps: number, store?: string): Promise<Fleet> {
    const folder = await mkdtemp(join(tmpdir(), 'split-fleet-'));
    const fleet = new Fleet(folder, store ?? folder, steps);
    await writeFile(fleet.#at('data'), lines.map((line) => JSON.stringify(line)).join('\n'));
    for (const server of await Promise.all([fleet.#serve(0), fleet.#serve(0)]))
      fleet.#servers.push(server);
    return fleet;
  }

  #at = (name: string) => join(this.folder, name);

  #serve(port: number) {
    const more = ['--store', this.#store, '--lease', String(LEASE_S), '--clients', '64'];
    return spawnServer(CUT, port, more);
  }

  /** Starts a client, its first address that of a server; it goes on where one of its name was. */
  train(name: string, seed: number, first: number): ClientProcess {
    const urls = [this.#servers[first], this.#servers[1 - first]].map(({ url }) => url);
    const where = ['--cut', '1', '--url', urls.join(), '--token', TOKEN, '--threads', '1'];
    const how = ['--steps', String(this.#steps), '--batch', '6', '--rank', '4', '--seed'];
    const files = ['--data', this.#at('data'), '--out', this.#at(`${name}.gguf`)];
    const kept = ['--checkpoint', this.#at(`${name}.kept`)];
    const words = ['split-train', MODEL, ...where, ...how, String(seed), ...files, ...kept];
    const child = spawn(process.execPath, [program, ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-2000)));
    const ended = new Promise<'trained' | 'killed'>((resolve, reject) => {
      child.once('close', (code, signal) => {
        if (signal === 'SIGKILL') resolve('killed');
        else if (code === 0) resolve('trained');
        else reject(new Error(`client ${name} ended with ${code}: ${said}`));
      });
    });
    ended.catch(() => undefined); // whoever awaits it hears of it
    return {
      ended,
      kill() {
        child.kill('SIGKILL');
        return ended.catch(() => undefined);
      },
    };
  }

  /** Whether a client has made a step. */
  hasBegun(name: string): Promise<boolean> {
    return access(this.#at(`${name}.kept`)).then(
      () => true,
      () => false,
    );
  }

  /** The adapter that a client has trained; its files are gone behind that. */
  async take(name: string): Promise<Buffer> {
    const adapter = await readFile(this.#at(`${name}.gguf`));
    for (const end of ['gguf', 'kept']) await rm(this.#at(`${name}.${end}`));
    return adapter;
  }

  /** The adapters that undisturbed clients train, by seed. */
  async undisturbed(seeds: readonly number[]): Promise<Map<number, Buffer>> {
    const found = new Map<number, Buffer>();
    for (const seed of seeds) {
      await this.train('undisturbed', seed, 0).ended;
      found.set(seed, await this.take('undisturbed'));
    }
    return found;
  }

  /** A server is killed; what comes starts it anew at its place. */
  async kill(server: number): Promise<() => Promise<void>> {
    const port = Number(new URL(this.#servers[server].url).port);
    await this.#servers[server].close('SIGKILL');
    return async () => {
      this.#servers[server] = await this.#serve(port);
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close('SIGKILL')));
    await rm(this.folder, { recursive: true });
  }
}
