// Halves of trainings in a Redis or Valkey server, which servers anywhere may share: a hash each,
//
//   recollect:split:ID   version, bytes; gone when its lease is over
//
// What compares a version and writes is one script each, which nothing comes between.
import { NetworkError, StoreError, UnsupportedError } from '../../errors.ts';
import { type SplitStore, tooLarge } from './store.ts';

const CLAIM = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'version', 1)`;
const PUT = `
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2] + 1, 'bytes', ARGV[3])
return redis.call('PEXPIRE', KEYS[1], ARGV[1])`;
const RENEW = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])`;
const REMOVE = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])`;

/** A store that does not answer for so long is taken for one that is not there. */
const ANSWER_MS = 10_000;

async function driver() {
  try {
    return await import('@redis/client');
  } catch (cause) {
    throw new UnsupportedError(
      `the optional package '@redis/client' is not installed: run 'npm install @redis/client'`,
      { cause },
    );
  }
}

/** Connects. Throws StoreError where there is no such server, UnsupportedError. */
export async function redisSplitStore(url: string, leaseMs: number): Promise<SplitStore> {
  const { createClient, RESP_TYPES } = await driver();
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
  let isUp = false;
  const client = createClient({
    url,
    // what is asked while there is no connection fails at once: clients come again
    disableOfflineQueue: true,
    commandOptions: { timeout: ANSWER_MS, typeMapping },
    socket: {
      connectTimeout: ANSWER_MS,
      reconnectStrategy: (tries) => isUp && Math.min(1000, 50 * 2 ** tries),
    },
  });
  client.on('error', () => {}); // whoever asks meanwhile hears of it
  const place = new URL(url).host;
  const failed = (cause: unknown) =>
    new NetworkError(
      `the store at ${place} did not answer (${(cause as Error).message}): look whether it runs, ` +
        `and has memory`,
      { cause },
    );
  try {
    await client.connect();
    isUp = true;
  } catch (cause) {
    throw new StoreError(failed(cause).message, { cause });
  }
  const asked = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (cause) {
      throw failed(cause);
    }
  };
  const keyOf = (id: string) => `recollect:split:${id}`;
  const lease = String(Math.ceil(leaseMs));
  const run = async (script: string, id: string, ...more: (string | Buffer)[]) =>
    Number(await asked(client.eval(script, { keys: [keyOf(id)], arguments: [lease, ...more] })));
  return {
    claim: async (id) => (await run(CLAIM, id)) || undefined,
    async get(id, mostBytes) {
      const size = Number(await asked(client.hStrLen(keyOf(id), 'bytes')));
      if (size > mostBytes) throw tooLarge(id, size, mostBytes);
      const found = (await asked(client.hGet(keyOf(id), 'bytes'))) as unknown as Buffer | null;
      // the driver's buffers begin anywhere in larger ones
      return found ? new Uint8Array(found) : undefined;
    },
    put: async (id, version, { buffer, byteOffset, byteLength }) =>
      (await run(PUT, id, String(version), Buffer.from(buffer, byteOffset, byteLength))) === 1,
    renew: async (id, version) => (await run(RENEW, id, String(version))) === 1,
    remove: async (id, version) => void (await run(REMOVE, id, String(version))),
    close: async () => client.destroy(),
  };
}
