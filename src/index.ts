// The public API of recollect: what is not named here is internal and may change.

export type { Build } from './backend/wasm/builds.ts';
export type { FinishReason } from './engine/decode.ts';
export { type TextLogits, textLogits } from './engine/logits.ts';
export type { Plan } from './engine/plan.ts';
export { type Profile, profileModel, type ProfileOptions } from './engine/profile.ts';
export type { OnKept } from './engine/stage.ts';
export type { SampleOptions } from './engine/sample.ts';
export type { EmbedFunction, EmbedderOption } from './episode/embedders.ts';
export { BudgetError, ContextError, DeviceError, ModelFormatError, NetworkError, OptionError, RecollectError, StoreError, UnsupportedError } from './errors.ts';
export type { Dialogue, Question, Turn } from './eval/datasets/dataset.ts';
export { readDialogues } from './eval/datasets/registry.ts';
export { type Answer, type EvalBudget, type EvalHooks, type EvalResult, type EvalSetup, evaluate } from './eval/evaluate.ts';
export type { ChatTemplate, ContentPart, Message, TemplateVariables } from './model/chat-template.ts';
export type { ModelConfig } from './model/config.ts';
export type { LoadRetry } from './model/download.ts';
export type { LoadProgress } from './model/load.ts';
export { type LoadOptions, loadModel, type Model } from './engine/model.ts';
export type { ModelInput } from './model/source.ts';
export type { Tokenizer } from './model/tokenizer.ts';
export { type Axes, composePolicy } from './policy/compose.ts';
export { definePolicy, type LayerView, type Observer, type Policy, type PolicyDefinition, type Score } from './policy/policy.ts';
export { findPolicy, policies, type PolicyName } from './policy/registry.ts';
export {
  type AddOptions,
  type AddProgress,
  type AskOptions,
  type Conversation,
  type MemoryReport,
  openConversation,
  type Reply,
  type Statistics,
} from './session/conversation.ts';
export type { ConversationOptions, EpisodeSettings, Instructions } from './session/options.ts';
export { profileOf, readProfile, type StoredProfile, type StoredProfileOptions } from './session/profile.ts';
