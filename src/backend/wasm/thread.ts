// What a thread of a team runs: the same kernels on the same memory. It imports by relative paths only, so that a page can start it without a bundler.
import { Board, type ThreadStart } from './board.ts';

const scope = globalThis as unknown as { addEventListener(type: 'message', listener: (event: { data: ThreadStart }) => void): void };
scope.addEventListener('message', ({ data: { module, memory, board, thread } }) => {
  const abort = () => {
    throw new Error('a kernel gave up');
  };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  new Board(exports, thread, board).serve();
});
