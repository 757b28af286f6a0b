// What a page's worker for one file runs: pages have no sync handles. It imports by relative paths
// only, so that a page can start it without a bundler. Answers come in the order of the requests.
import { failureOf } from '../../errors.ts';
import { HELLO } from '../hello.ts';
import type { OriginFile } from '../runtime.ts';
import { openSyncFile } from './sync-file.ts';
import type { FileAnswer, FileRequest } from './worker-file.ts';

const scope = globalThis as unknown as {
  addEventListener(type: 'message', listener: (event: { data: FileRequest }) => void): void;
  postMessage(message: FileAnswer | string, transfer?: Transferable[]): void;
};
let file: OriginFile | undefined;

async function answerTo(request: FileRequest): Promise<FileAnswer> {
  if (request.do === 'open') {
    file = await openSyncFile(request.name, request.use);
    return { sizeBytes: file.sizeBytes };
  }
  if (!file) throw new Error('no file is open');
  if (request.do === 'read') return { bytes: await file.read(request.at, request.length) };
  if (request.do === 'write') await file.write(request.at, request.bytes);
  else await file[request.do]();
  return {};
}

scope.addEventListener('message', ({ data }) =>
  answerTo(data)
    .catch((error: unknown): FileAnswer => ({ failure: failureOf(error) }))
    .then((answer) =>
      scope.postMessage(answer, answer.bytes ? [answer.bytes.buffer as ArrayBuffer] : []),
    ),
);
scope.postMessage(HELLO);
