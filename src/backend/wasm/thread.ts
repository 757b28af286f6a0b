// What a thread of a team runs: the same kernels on the same memory.
import { instantiateSync } from '@assemblyscript/loader';
import { Board, type ThreadStart } from './board.ts';

const scope = globalThis as unknown as { addEventListener(type: 'message', listener: (event: { data: ThreadStart }) => void): void };
scope.addEventListener('message', ({ data: { module, memory, board, thread } }) => {
  const { exports } = instantiateSync(module, { env: { memory } });
  new Board(exports, thread, board).serve();
});
