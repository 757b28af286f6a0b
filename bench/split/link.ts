// A split training over a slow line: what a step takes with f32 and with 4 bits, and how much of the
// computing overlaps the sending. `node build/js/bench/split/link.js [MBIT] [STEPS]`, as root: client
// and server run on two hosts of network namespaces (line.ts).
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SplitOptions, trainSplit } from '../../src/index.ts';
import { formatBytes } from '../../src/math/format.ts';
import { smallRandomModel } from '../random-model.ts';
import { type Line, openLine } from './line.ts';

/** Batches of 512 tokens and 256 channels: 512 KiB each way in f32, 0.42 s at 10 Mbit/s. */
const SHAPE = { layers: 2, width: 256, heads: 4, feedForward: 128, vocabulary: 64 };
const LINE_TOKENS = 32;
/** 16 batches a step, 4 of them under way. */
const HOW = { batch: 256, depth: 4, rank: 4, heldOut: 0, cut: 1, threads: 1 } as const;
const TOKEN = 'of a bench';
const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const here = fileURLToPath(import.meta.url);

const lines = Array.from({ length: HOW.batch }, (_, i) => ({
  text: Array.from({ length: LINE_TOKENS }, (__, t) =>
    String.fromCharCode(97 + ((i * 7 + t * (1 + (i % 5))) % 26)),
  ).join(''),
}));

const percent = (share: number) => `${(100 * share).toFixed(0)}%`;

/** What a client found: bytes each way and time of a step. */
interface Found {
  readonly ms: number;
  readonly sent: number;
  readonly received: number;
}

/** The client, in a process and on a host of its own. */
async function client(model: string, url: string, codec: 'none' | 'channel', steps: number) {
  const { cut, depth, batch, rank, heldOut, threads } = HOW;
  const times: number[] = [];
  let before = performance.now();
  const options: SplitOptions = {
    ...{ cut, url, token: TOKEN, depth, batch, rank, heldOut, codec, bits: 4, steps },
    loading: { threads },
    onProgress() {
      const now = performance.now();
      times.push(now - before);
      before = now;
    },
  };
  const { traffic } = await trainSplit(model, lines, options);
  // the first step has the greeting in it
  const sorted = times.slice(1).sort((a, b) => a - b);
  const { sentBytes, receivedBytes } = traffic;
  const found: Found = {
    ms: sorted[sorted.length >> 1],
    sent: sentBytes / steps,
    received: receivedBytes / steps,
  };
  console.log(JSON.stringify(found));
}

async function measure(line: Line, ...words: string[]): Promise<Found> {
  const child = line.start(0, [here, '--client', ...words]);
  let text = '';
  child.stdout!.on('data', (piece: Buffer) => (text += piece));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`the client ended with ${code}`);
  return JSON.parse(text) as Found;
}

async function bench(mbit: number, steps: number) {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-link-'));
  const model = join(folder, 'model.gguf');
  writeFileSync(model, smallRandomModel(SHAPE));
  const line = openLine();
  const words = ['split-serve', model, '--cut', `${HOW.cut}`, '--token', TOKEN, '--threads', '1'];
  const server = line.start(1, [program, ...words, '--port', '0', '--host', line.address]);
  try {
    const [said] = (await once(server.stdout!, 'data')) as [Buffer];
    const url = said.toString().trim();
    console.log(
      `a step of ${(HOW.batch * LINE_TOKENS) / 512} batches of 512 tokens, ` +
        `${SHAPE.width} channels, ${HOW.depth} under way, ${mbit} Mbit/s each way`,
    );
    // what is run first is compiled first
    await measure(line, model, url, 'none', '3');
    const ms: Record<string, number> = {};
    for (const codec of ['none', 'channel'] as const) {
      line.limit(undefined);
      const fast = await measure(line, model, url, codec, `${steps}`);
      line.limit(mbit * 1e6);
      const slow = await measure(line, model, url, codec, `${steps}`);
      ms[codec] = slow.ms;
      const send = (Math.max(slow.sent, slow.received) * 8) / (mbit * 1e3);
      const told = [
        `${codec === 'none' ? 'f32   ' : '4 bits'}  ${slow.ms.toFixed(0)} ms a step`,
        `computing alone ${fast.ms.toFixed(0)}`,
        `sending alone ${send.toFixed(0)}`,
        `${formatBytes(slow.sent)} sent, ${formatBytes(slow.received)} received`,
        `the line is used ${percent(send / slow.ms)} of the time`,
      ];
      // f32 leaves next to nothing to compute: what overlaps is told where both take their time
      const [most, least] = [Math.max(fast.ms, send), Math.min(fast.ms, send)];
      if (least > most / 4) told.push(`${percent(1 - (slow.ms - most) / least)} overlaps`);
      console.log(told.join('; '));
    }
    console.log(`4 bits take 1/${(ms.none / ms.channel).toFixed(2)} of f32's time`);
  } finally {
    server.kill();
    await once(server, 'close');
    line.close();
    rmSync(folder, { recursive: true });
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--client') await client(rest[0], rest[1], rest[2] as 'none' | 'channel', +rest[3]);
else await bench(Number(first ?? 10), Number(rest[0] ?? 6));
