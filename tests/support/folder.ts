import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Runs something with an empty folder of its own, which is removed afterwards.
 *
 * @param run Gets the path.
 */
export async function withFolder(run: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "dramatiq-"));
  try {
    await run(path);
  } finally {
    await rm(path, { recursive: true });
  }
}
