import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("worker");

/**
 * Stops one part of a worker. A failure is logged, and stopping goes on.
 *
 * @param what The part, for the log.
 * @param stop Stops it.
 */
export async function stopPart(what: string, stop: () => void | Promise<void>): Promise<void> {
  try {
    await stop();
  } catch (error) {
    log.error("Failed to stop the {what}: {reason}", {
      what,
      reason: errorMessage(error),
      error,
    });
  }
}
