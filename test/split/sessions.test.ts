// Whose turn it is, where many clients wait for a server.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encode, type Message, type MessageOf } from '../../src/split/messages.ts';
import type { ServerOptions } from '../../src/split/server.ts';
import { Sessions } from '../../src/split/sessions.ts';

const test = suite('split/sessions');

const said: Message = { kind: 'end' };
const hello = { kind: 'hello', session: '', run: 'r', keeps: false } as MessageOf<'hello'>;

test('who waits is answered once before anyone is answered twice', async () => {
  const options = { clients: 3, memory: 100, window: 8, leaseMs: 1e6 } as ServerOptions;
  const sessions = new Sessions(options, 0, { idle() {}, lost() {} });
  const order: string[] = [];
  const letIn = async (name: string) => {
    const answer = async () => {
      order.push(name);
      return said;
    };
    const serve = () => ({ answer, dispose() {} });
    const wanted = { what: 'a training', less: 'ask for less', bytes: 1, serve };
    return (await sessions.letIn(wanted, hello)).session;
  };
  const [a, b, c] = [await letIn('a'), await letIn('b'), await letIn('c')];
  const ask = (session: typeof a, from: number, to: number) => {
    for (let number = from; number <= to; number++) session.take(number, encode(said));
  };
  const answer = async (count: number) => {
    for (let i = 0; i < count; i++) await sessions.next()!.answerNext(() => said);
  };
  ask(a, 1, 5);
  ask(b, 1, 2);
  await answer(3);
  // one who had nothing to say is before those who had
  ask(c, 1, 2);
  await answer(6);
  assert.is(order.join(''), 'abacbacaa');
  assert.is(sessions.next(), undefined);
  sessions.dispose();
});

test.run();
