import { getLogger } from "../platform/logging.ts";
import type { Executor } from "./executors/executor.ts";
import { counted } from "../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("worker");

/**
 * Changes how many messages an executor runs at once.
 *
 * @returns False if its size is fixed.
 */
export function resizeExecutor(executor: Executor, concurrency: number): boolean {
  if (executor.resize === undefined) {
    log.warn(
      counted(
        concurrency,
        "Cannot run {concurrency} message(s) at once: the executor has a fixed size",
      ),
      {
        concurrency,
      },
    );
    return false;
  }
  executor.resize(concurrency);
  log.info(counted(concurrency, "Resized to {concurrency} message(s) at once"), { concurrency });
  return true;
}
