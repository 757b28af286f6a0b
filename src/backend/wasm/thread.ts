// What a thread of a team runs: the same kernels on the same memory. It imports by relative paths
// only, so that a page can start it without a bundler.
import { Board, type ThreadStart } from './board.ts';
import { checkKernels } from './call.ts';
import { plainInstance } from './core.ts';
import { HELLO } from '../../runtime/hello.ts';

const scope = globalThis as unknown as {
  addEventListener(type: 'message', listener: (event: { data: ThreadStart }) => void): void;
  postMessage(message: string): void;
  close(): void;
};
scope.addEventListener('message', ({ data: { module, memory, board, thread } }) => {
  const { exports } = plainInstance(module, { memory });
  checkKernels(exports);
  new Board(exports, thread, board).serve();
  scope.close();
});
scope.postMessage(HELLO);
