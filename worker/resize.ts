import { getLogger } from "../platform/logging.ts";
import type { Executor } from "./executors/executor.ts";

const log = /* @__PURE__ */ getLogger("worker");

/**
 * Changes how many messages an executor runs at once.
 *
 * @returns False if its size is fixed.
 */
export function resizeExecutor(executor: Executor, concurrency: number): boolean {
  if (executor.resize === undefined) {
    log.warn("Cannot run {concurrency} messages at once: the executor has a fixed size", {
      concurrency,
    });
    return false;
  }
  executor.resize(concurrency);
  log.info("Resized to {concurrency} messages at once", { concurrency });
  return true;
}
