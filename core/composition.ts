/**
 * Messages that belong together: one after the other, or side by side.
 *
 * @module
 */
export {
  type CompletionCallbackOptions,
  Group,
  group,
  type GroupOptions,
  type GroupStep,
  type MemberResult,
  type RunGroupOptions,
} from "./group.ts";
export {
  type FirstOf,
  type InputOf,
  type LastOf,
  Pipeline,
  pipeline,
  type PipelineChain,
  type PipelineOptions,
  type PipelineStep,
  type ResultOf,
  type RunOptions,
} from "./pipeline.ts";
