import { checkAddress, IN_MEMORY } from "../../clients/sqlite/address.ts";
import { openDatabase } from "../../clients/sqlite/database.ts";
import { hasSchema } from "../../clients/sqlite/schema.ts";
import { builtinModule } from "../../platform/runtime.ts";

/** Content of a file, as far as {@linkcode findQueues} can tell. */
export type FoundQueues = "queues" | "no file" | "no queues" | "unknown";

/**
 * Looks whether a file holds queues, without making or changing it.
 *
 * @param url Its address, `sqlite:tasks.db`.
 * @returns `"unknown"` for what opening the broker reports: a wrong URL, a locked or damaged file.
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
