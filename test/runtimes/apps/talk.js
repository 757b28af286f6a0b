// What every application of these tests does: a model opens, takes text in, answers. `model` is a URL, a path or bytes.
import { loadModel, openConversation } from 'recollect';

const said =
  "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n";
export const QUESTION = "What is Ana's dog called?";

export async function open(input, options = {}) {
  const model = await loadModel(input, options);
  const conversation = openConversation(model, { budget: 128, policy: 'snapkv' });
  await conversation.add(said.repeat(20));
  return { model, conversation };
}

export async function talk(input, options = {}) {
  const { model, conversation } = await open(input, options);
  const reply = (await conversation.ask(QUESTION).text()).trim();
  // threads may still be starting: they are asked for more until they have begun, or cannot
  const { team } = model.backend;
  for (let i = 0; team && i < 100 && team.serving + 1 < model.backend.threads; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await conversation.ask(QUESTION, { keep: false, maxTokens: 2 }).text();
  }
  const { threads, pipeline, fallback } = conversation.statistics;
  const workers = (team ? team.serving : model.executor.workers?.length) ?? 0;
  const close = () => {
    conversation.dispose();
    model.dispose();
  };
  return { reply, threads, pipeline, workers, fallback, close };
}

/** The same for somebody outside: what is found, or what goes wrong. */
export async function attempt(input, options) {
  try {
    const { close, ...found } = await talk(input, options);
    close();
    return found;
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}
