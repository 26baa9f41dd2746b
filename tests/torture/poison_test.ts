import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { skip, test } from "../support/test.ts";
import { runPoison } from "./poison/fleet.ts";

const NAME =
  "A message that kills its workers is dead-lettered after four, and no other is (thread)";

if (runtime !== "deno") skip(NAME, "once is enough: its parts have tests on all runtimes");
else {
  test(NAME, async () => {
    const folder = await mkdtemp(join(tmpdir(), "dramatiq-poison-"));
    try {
      const { dead, tracebacks, deaths } = await runPoison({
        kind: "sqlite",
        url: join(folder, "tasks.db"),
        heartbeatTimeout: 20_000,
        executor: "thread",
        concurrency: 4,
        workers: 2,
        innocents: 200,
        longest: 10,
        killers: 1,
      });
      assertEquals(dead, ["killer"]);
      assertMatch(tracebacks[0] ?? "", /PoisonMessage: 3 workers died while it ran/);
      assertLessOrEqual(deaths, 4);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}
