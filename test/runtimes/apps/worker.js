// A Worker and a Durable Object that answer from a model imported as bytes.
import { loadModel } from 'recollect';
import bytes from './model.gguf';
import { attempt, open, QUESTION } from './talk.js';

/** A reply as it is made, a piece every time that somebody reads. */
function stream(reply) {
  const pieces = reply[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) return controller.close();
      controller.enqueue(new TextEncoder().encode(value));
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
    cancel: () => pieces.return(),
  });
}

export class Talker {
  #opened;
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith('/talk')) return Response.json(await attempt(bytes, {}));
    this.#opened ??= open(bytes);
    const { model, conversation } = await this.#opened;
    if (pathname.endsWith('/long'))
      return new Response(
        stream(conversation.ask(QUESTION, { maxTokens: 200, keep: false, temperature: 1 })),
      );
    if (pathname.endsWith('/abort')) {
      const abort = new AbortController();
      let said = 0;
      try {
        for await (const _ of conversation.ask(QUESTION, {
          maxTokens: 200,
          keep: false,
          temperature: 1,
          seed: 3,
          signal: abort.signal,
        }))
          if (++said === 1) abort.abort();
      } catch (error) {
        const after = (await conversation.ask(QUESTION, { keep: false }).text()).trim();
        return Response.json({ error: error.name, said, after });
      }
      return Response.json({ said });
    }
    // somebody may have left in the middle of a reply: the model answers others
    const { openConversation } = await import('recollect');
    const other = openConversation(model, { budget: 128, policy: 'snapkv' });
    await other.add(
      "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n",
    );
    const reply = (await other.ask(QUESTION).text()).trim();
    other.dispose();
    return Response.json({ reply });
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.startsWith('/object'))
      return env.TALKER.get(env.TALKER.idFromName('one')).fetch(request);
    if (pathname === '/path')
      return Response.json(
        await loadModel('model.gguf').catch(({ name, message }) => ({ error: name, message })),
      );
    return Response.json(await attempt(bytes, JSON.parse(searchParams.get('options') ?? '{}')));
  },
};
