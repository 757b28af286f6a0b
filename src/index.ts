// The public API of recollect: what is not named here is internal and may change.

import './runtime/globals.ts';

export type { Arena } from './backend/arena.ts';
export type {
  Activation,
  AddBehind,
  Angles,
  Around,
  Attending,
  AttentionHow,
  Backend,
  BackendLimits,
  Columns,
  Looks,
  MostLooked,
  NormBefore,
  Observation,
  Product,
  Protection,
  ScratchShape,
  Drawing,
  LaterFault,
  Selection,
  Share as SelectionShare,
  TokenRate,
} from './backend/backend.ts';
export type {
  Cache,
  HeadSteps,
  LayerRows,
  Place,
  TokenSpan,
  Turning,
  TurnTables,
} from './backend/cache.ts';
export type { Extent, Mark, State } from './backend/state.ts';
export type { CacheShape } from './backend/cache-shape.ts';
export type { Elements } from './backend/elements.ts';
export type { ClusterOptions, Clusters } from './backend/clusters.ts';
export type { RowSide, RowType, WeightName, WeightType } from './backend/dtype.ts';
export type { Address, QueriesKeysValues, Scores, Tensor, Weight } from './backend/tensor.ts';
export type { Build } from './backend/wasm/builds.ts';
export type { Budget } from './cache/budget.ts';
export type {
  Again as StoredAgain,
  BytesIn,
  BytesOut,
  Standing,
  Stored,
  Tag,
} from './cache/stored.ts';
export type { FinishReason } from './engine/decode.ts';
export { type TextLogits, textLogits } from './engine/logits.ts';
export type { Executor, Layers } from './engine/executor.ts';
export type { Plan } from './engine/plan.ts';
export type { Placement, PlanOptions } from './engine/plan-options.ts';
export { type Profile, profileModel, type ProfileOptions } from './engine/profile.ts';
export type { Step } from './engine/block.ts';
export type { Snapshots } from './engine/saved.ts';
export type { OnKept, Restored } from './engine/stage.ts';
export type { SampleOptions } from './engine/sampling/options.ts';
export type { EmbedFunction, EmbedderOption } from './episode/embedders.ts';
export type { Episode } from './episode/episodes.ts';
export type { Segment } from './episode/segment.ts';
export {
  BudgetError,
  ContextError,
  DeviceError,
  ModelFormatError,
  NetworkError,
  OptionError,
  ProtocolError,
  RecollectError,
  StoreError,
  UnsupportedError,
} from './errors.ts';
export type { Dialogue, Question, Turn } from './eval/datasets/dataset.ts';
export { readDialogues } from './eval/datasets/registry.ts';
export type { Interval } from './eval/bootstrap.ts';
export type { Explanation } from './eval/explain.ts';
export { type EvalBudget, type EvalHooks, type EvalSetup, evaluate } from './eval/evaluate.ts';
export type { Answer, EvalResult, Measured, Share } from './eval/results.ts';
export type {
  ChatTemplate,
  ContentPart,
  Message,
  TemplateVariables,
} from './model/chat-template.ts';
export type { AdapterOption } from './model/adapter/option.ts';
export type { AdapterSpec, PairSpec } from './model/adapter/spec.ts';
export type { ModelConfig } from './model/config.ts';
export type { Description, Shape } from './model/arch/architecture.ts';
export type { PlainActivation } from './backend/product.ts';
export type { AltUpSpec } from './model/blocks/altup.ts';
export type { AttentionSpec } from './model/blocks/attention.ts';
export type { DeltaNetSpec } from './model/blocks/delta-net.ts';
export type { ExpertsSpec } from './model/blocks/experts.ts';
export type { LayerInputSpec } from './model/blocks/layer-input.ts';
export type { LayerScaleSpec } from './model/blocks/layer-scale.ts';
export type { LaurelSpec } from './model/blocks/laurel.ts';
export type { Mamba2Spec } from './model/blocks/mamba2.ts';
export type { ShortConvolutionSpec } from './model/blocks/short-convolution.ts';
export type { UngatedSpec } from './model/blocks/ungated.ts';
export type { LayerInputsSpec } from './model/layer-inputs.ts';
export type { Residual } from './model/blocks/block.ts';
export type { FeedForwardSpec } from './model/blocks/feed-forward.ts';
export type { BlockSpec, LayerSpec } from './model/blocks/registry.ts';
export type { RopeSpec, YarnSpec } from './model/rotary.ts';
export type {
  DownloadOptions,
  LoadFetch,
  LoadHeaders,
  LoadRetry,
} from './model/download/options.ts';
export type { Metadata } from './model/gguf.ts';
export type { LayerRange } from './model/tensors.ts';
export type { LoadProgress } from './model/load.ts';
export type { LoadOptions } from './engine/load-options.ts';
export { loadModel, type Model } from './engine/model.ts';
export { cachedModels, type CachedModel, deleteCachedModel } from './model/cached-models.ts';
export type { CacheReport, ModelFiles, ModelInput } from './model/source.ts';
export type { Tokenizer } from './model/tokenizer.ts';
export type { OptionsOf } from './options/table.ts';
export { type Axes, composePolicy } from './policy/compose.ts';
export { definePolicy } from './policy/define.ts';
export type {
  Aggregate,
  LayerSharing,
  LayerView,
  Observer,
  Policy,
  PolicyDefinition,
  Score,
} from './policy/policy.ts';
export { findPolicy, policies, type PolicyName } from './policy/registry.ts';
export type { AddOptions, AddProgress, AskOptions } from './session/ask-options.ts';
export { type Conversation, openConversation } from './session/conversation.ts';
export type { Instructions } from './session/option-kinds.ts';
export type { ConversationOptions, EpisodeSettings } from './session/options.ts';
export type { Reply } from './session/reply.ts';
export type { EpisodeReport, MemoryReport, Statistics } from './session/reports.ts';
export {
  profileOf,
  readProfile,
  type StoredProfile,
  type StoredProfileOptions,
} from './session/profile.ts';
export type { AddInput } from './session/items.ts';
export { prepareTraining, type PreparedTraining, train } from './train/train.ts';
export type { Trained } from './train/trained.ts';
export type { LossKind, TrainingLine } from './train/data.ts';
export type { TrainOptions } from './train/options.ts';
export type { TrainingPlan } from './train/plan.ts';
export type { HeldOut, TrainingReport, TrainingResult } from './train/report.ts';
export type { Schedule } from './train/schedule.ts';
export type { DenseAttention, Sequence, Training } from './backend/training.ts';
export type {
  Choice,
  ExpertLayer,
  ExpertMatrix,
  Experts,
  ExpertShape,
  Routing,
} from './backend/experts.ts';
export type { Convolution, DeltaNet, GatedNorm, Mamba2, Recurrent } from './backend/recurrent.ts';
export type { Activations, Rounding } from './backend/rounding.ts';
export type { Streams, StreamOps } from './backend/streams.ts';
export type { AdamW } from './backend/training.ts';
export type { LearningShape } from './model/learning-room.ts';
export {
  type AdapterData,
  ggufAdapter,
  type PairData,
  peftAdapter,
  type PeftModel,
} from './model/adapter/write.ts';
export { type ModelFileOptions, writeTrainedModel } from './train/model-file.ts';
export type { MergeType } from './model/rewrite.ts';
export type { SplitLoadOptions } from './split/load.ts';
export { type SplitOptions, trainSplit } from './split/train-split.ts';
export type { CutOptions, SplitTrainOptions } from './split/options.ts';
export { askSplit, type SplitQuestionOptions, type SplitReply } from './split/generate-split.ts';
export type { SplitConversationOptions } from './split/generate-options.ts';
export type { SplitResult } from './split/train.ts';
export type { BitsAt, SplitCourse, SplitTraffic, WayReport } from './split/report.ts';
export type { FrameBytes } from './split/traffic.ts';
export type { SplitCodecOptions } from './split/codec-options.ts';
export { CodecEnd, type CodecState } from './split/codec/codec.ts';
export type { CodecName } from './split/codec/codecs.ts';
export type { FrameKind } from './split/codec/frame.ts';
export {
  type CodecOptions,
  type CodecShape,
  createGates,
  type FrameName,
} from './split/codec/options.ts';
export type { Gates, GateOptions, GateReport, GateState } from './split/codec/gates.ts';
export type { Lanes } from './split/codec/bits-gradient.ts';
export type { Sample, SavedSamples } from './split/codec/samples.ts';
export type { Grids, Packing } from './backend/wasm/packing.ts';
export type { Traffic } from './split/link.ts';
