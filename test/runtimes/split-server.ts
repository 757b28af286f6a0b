// A split server on Node for clients on any runtime.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BUILD, CUT, TOKEN } from './split-training.ts';

const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export async function startServer(model: string): Promise<{ url: string; close(): void }> {
  const words = ['split-serve', model, '--cut', `${CUT}`, '--token', TOKEN, '--port', '0'];
  const child: ChildProcess = spawn(
    'node',
    [program, ...words, '--build', BUILD, '--threads', '1'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (text) => resolve(String(text).trim()));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { url, close: () => void child.kill() };
}
