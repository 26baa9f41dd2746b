import { checkAddress, IN_MEMORY } from "../../clients/sqlite/address.ts";
import { openDatabase } from "../../clients/sqlite/database.ts";
import { hasSchema } from "../../clients/sqlite/schema.ts";
import { builtinModule } from "../../platform/runtime.ts";

/** Result of {@linkcode findQueues}. */
export type FoundQueues = "queues" | "no file" | "no queues" | "unknown";

/**
 * Checks whether a file has queues, without creating or changing it.
 *
 * @param url Its address, such as `sqlite:tasks.db`.
 * @returns `"unknown"` for a wrong URL, and a locked or damaged file: opening the broker reports those.
 */
export function findQueues(url: string): FoundQueues {
  try {
    const { path } = checkAddress({ url });
    if (path === IN_MEMORY) return "unknown";
    if (!builtinModule("node:fs").existsSync(path)) return "no file";
    const database = openDatabase(path);
    try {
      database.prepare("pragma busy_timeout=0").get();
      return hasSchema(database) ? "queues" : "no queues";
    } finally {
      database.close();
    }
  } catch {
    return "unknown";
  }
}
