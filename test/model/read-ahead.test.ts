// A file's tensors on their way into memory: the next piece is read while one is packed, and
// whatever happens, nothing is written any more once reading has ended.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { weightTypes } from '../../src/backend/dtype.ts';
import type { TensorInfo } from '../../src/model/gguf.ts';
import { readTensors } from '../../src/model/load.ts';
import type { ModelSource } from '../../src/model/source.ts';

const test = suite('model, reading ahead');
const [f32] = weightTypes;
const COLUMNS = 1 << 16; // rows of 256 KiB, four of them a piece
const ROW_BYTES = 4 * COLUMNS;

const tensors = ['a', 'b', 'c'].map((name, i): TensorInfo => {
  const [rows, byteLength] = [8, 8 * ROW_BYTES];
  return { name, type: f32, rows, columns: COLUMNS, offset: i * byteLength, byteLength };
});

/** A file whose bytes say in which KiB they are; it tells what happens. */
function slowFile(log: string[], sizeBytes = 24 * ROW_BYTES): ModelSource & { writing: number } {
  const file = {
    name: 'slow',
    sizeBytes,
    readsInto: true,
    writing: 0,
    async read(offset: number, length: number, into?: Uint8Array) {
      log.push(`read ${offset / ROW_BYTES}`);
      file.writing++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      const there = into!.subarray(0, Math.max(0, Math.min(length, sizeBytes - offset)));
      for (let i = 0; i < there.length; i += 1024) there.fill((offset + i) >> 18, i, i + 1024);
      file.writing--;
      return there;
    },
    forget() {},
    close: async () => {},
  };
  return file;
}

test('pieces come in order, the next one is being read, and each keeps its bytes', async () => {
  const log: string[] = [];
  await readTensors([{ source: slowFile(log), tensors }], async ({ name }, row, rows, bytes) => {
    log.push(`put ${name} ${row}`);
    assert.is(rows * ROW_BYTES, bytes.length);
    const first = 'abc'.indexOf(name) * 8 + row;
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal([bytes[0], bytes.at(-1)], [first, first + rows - 1]);
  });
  assert.equal(log, [
    ...['read 0', 'read 4', 'put a 0', 'read 8', 'put a 4', 'read 12', 'put b 0'],
    ...['read 16', 'put b 4', 'read 20', 'put c 0', 'put c 4'],
  ]);
});

test('rows are read to their places', async () => {
  const memory = new Uint8Array(24 * ROW_BYTES);
  const at = (tensor: TensorInfo, row: number) => tensor.offset + row * ROW_BYTES;
  await readTensors(
    [{ source: slowFile([]), tensors }],
    (tensor, row, _, bytes) => {
      assert.is(bytes.buffer === memory.buffer, tensor.name !== 'b');
      if (tensor.name !== 'b') assert.is(bytes.byteOffset, at(tensor, row));
    },
    {
      place: (tensor, row, rows) =>
        tensor.name === 'b' ? undefined : memory.subarray(at(tensor, row), at(tensor, row + rows)),
    },
  );
  assert.equal([memory[0], memory[12 * ROW_BYTES], memory.at(-1)], [0, 0, 23]);
});

test('nothing is being read once it has ended, however it ends', async () => {
  const gone = new Error('no room');
  const stop = new AbortController();
  const file = slowFile([]);
  const fails = (put: () => void, how: RegExp, source = file) =>
    readTensors([{ source, tensors }], put, { signal: stop.signal }).then(
      () => assert.unreachable(),
      (error: Error) => {
        assert.match(error.message, how);
        assert.is(source.writing, 0);
      },
    );
  await fails(() => {
    throw gone;
  }, /^no room$/);
  await fails(() => {}, /ends inside tensor 'c', at byte 4718592/, slowFile([], 18 * ROW_BYTES));
  await fails(() => stop.abort(new Error('enough')), /^enough$/);
});
test.run();
