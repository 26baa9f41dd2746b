/**
 * Errors of results. The core defines these errors: groups and pipelines
 * handle them.
 *
 * @module
 */
export {
  ResultError,
  ResultFailure,
  type ResultFailureOptions,
  ResultMissing,
  ResultTimeout,
} from "../core/errors.ts";
