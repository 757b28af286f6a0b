// A program that uses the whole public interface, for type checks of the packed declarations: it is
// compiled, not run.
import {
  type AddProgress,
  type AskOptions,
  BudgetError,
  composePolicy,
  type Conversation,
  type ConversationOptions,
  definePolicy,
  type EvalSetup,
  evaluate,
  type FinishReason,
  findPolicy,
  loadModel,
  type LoadOptions,
  type LoadProgress,
  type MemoryReport,
  type Message,
  type Model,
  type ModelInput,
  openConversation,
  policies,
  type Policy,
  type PolicyName,
  profileModel,
  profileOf,
  readDialogues,
  readProfile,
  RecollectError,
  type Reply,
  type Score,
  type Statistics,
  textLogits,
  UnsupportedError,
} from 'recollect';

const longest: Score = ({ out, cached }, ops) => ops.rowNorms(out, cached, 'keys');
export const own: Policy = definePolicy({ name: 'own', summary: 'as an example', score: longest });
export const named: PolicyName = 'epicache';
export const composed: Policy = composePolicy(findPolicy('snapkv'), { aggregate: 'max', pool: 7 });

export async function use(input: ModelInput): Promise<FinishReason | undefined> {
  const loading: LoadOptions = {
    threads: 'auto',
    pipeline: 1,
    memoryLimit: '2GB',
    onProgress: ({ loadedBytes }: LoadProgress) => void loadedBytes,
  };
  const model: Model = await loadModel(input, loading);
  const options: ConversationOptions = {
    budget: '4MB',
    policy: named,
    episodes: { count: 'auto' },
    cacheType: 'int8',
    layers: 'pyramid',
  };
  const conversation: Conversation = openConversation(model, options);
  try {
    const messages: Message[] = [{ role: 'user', content: 'Hello.' }];
    await conversation.add(messages, {
      onProgress: ({ doneTokens }: AddProgress) => void doneTokens,
    });
    const asking: AskOptions = { maxTokens: 8, keep: false, temperature: 0.5, seed: 1 };
    const reply: Reply = conversation.ask('Well?', asking);
    for await (const piece of reply) piece.trim();
    const memory: MemoryReport = conversation.memory;
    const statistics: Statistics = conversation.statistics;
    const threads: number = model.backend.threads + statistics.threads + memory.peakBytes;
    const why: string | undefined = model.fallback ?? statistics.fallback;
    const [first] = conversation.episodes.episodes;
    const segments: readonly number[] = first?.segments ?? [
      threads,
      why?.length ?? 0,
      ...conversation.plan.layerRows,
    ];
    const [{ similarity }, stored, { profile }] = [
      await profileModel(model, 'text'),
      await readProfile(model),
      await profileOf(model, 'text'),
    ];
    const top = await textLogits(model, 'text', segments.length);
    console.log(similarity, stored, profile, top);
    const setup: EvalSetup = { policy: 'keydiff', budget: { share: 0.5 }, options: {} };
    await evaluate(model, readDialogues('', 'none'), setup);
    conversation[Symbol.dispose]();
    await conversation[Symbol.asyncDispose]();
    return reply.finishReason;
  } catch (error) {
    if (
      error instanceof BudgetError ||
      error instanceof UnsupportedError ||
      error instanceof RecollectError
    )
      return undefined;
    throw error;
  } finally {
    model.dispose();
    void policies.length;
  }
}
