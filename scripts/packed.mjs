// The packed package for checks of it: packed as npm would, installed into a folder, and checks
// that are counted. Used by check-*.mjs.
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const apps = join(root, 'test/runtimes/apps');
export const model = join(root, 'models/recollect-tiny.gguf');

export const npm = (args, cwd) =>
  execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
    shell: process.platform === 'win32',
  });

/** An empty folder that goes when the process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-package-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Packs the package of a folder: the tarball's path, and what npm says of it. */
export function pack(from, into) {
  const said = JSON.parse(npm(['pack', '--json', '--pack-destination', into], from));
  const about = Array.isArray(said) ? said[0] : Object.values(said)[0];
  return { tarball: join(into, about.filename), about };
}

/** Installs a tarball, and other packages, into a folder, with a model beside. */
export function install(folder, tarball, packages = []) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  npm(['install', '--no-audit', '--no-fund', '--loglevel=error', tarball, ...packages], folder);
  cpSync(model, join(folder, 'model.gguf'));
}

/**
 * Runs a program: its output, its exit code, how long it took. One that does not end within
 * `seconds` is killed, and says so.
 */
export function runProgram(file, args, { cwd, seconds = 120, env } = {}) {
  const begin = Date.now();
  return new Promise((resolve) => {
    execFile(
      file,
      args,
      {
        cwd,
        encoding: 'utf8',
        timeout: seconds * 1000,
        killSignal: 'SIGKILL',
        env: { ...process.env, ...env },
      },
      (error, stdout, stderr) => {
        const late = error?.killed ? `did not end within ${seconds} s\n` : '';
        resolve({
          code: error ? (error.code ?? 1) : 0,
          stdout,
          stderr: late + stderr,
          ms: Date.now() - begin,
        });
      },
    );
  });
}

/** Checks that are counted. */
export class Checks {
  passed = 0;
  failed = 0;

  async check(name, work) {
    const begin = Date.now();
    try {
      await work();
      this.passed++;
      console.log(`ok   ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.failed++;
      console.error(`FAIL ${name}: ${error.stack ?? error}`);
    }
  }

  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed > 0 ? 1 : 0;
  }
}

/** Whether a value has these properties, or an error that shows it. */
export function expect(found, wanted) {
  for (const [key, value] of Object.entries(wanted)) {
    const right =
      value instanceof RegExp ? value.test(String(found[key])) : Object.is(found[key], value);
    if (!right)
      throw new Error(
        `${key} is '${found[key]}', expected '${value}', in ${JSON.stringify(found)}`,
      );
  }
}
