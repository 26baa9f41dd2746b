import { assertEquals } from "@std/assert";
import { testOwn } from "../../servers/own.ts";
import { skip } from "../../support/test.ts";
import type { Engine } from "./engine.ts";
import { problemsOf, tableOf } from "./report.ts";
import { runTrials } from "./trial.ts";

/**
 * Declares the short form of the trials of engines, which run side by side; on Deno only, since
 * it takes half a minute. Smaller tests of the same faults run everywhere.
 *
 * @param name What they have in common.
 * @param engines Those that need the same program.
 */
export function testShortTrials(name: string, engines: readonly [Engine, ...Engine[]]): void {
  const title = `${name} loses nothing that it had confirmed, and goes on, whichever server fails`;
  if (!("Deno" in globalThis)) return skip(title, "it takes long, and runs on Deno");
  testOwn(engines[0].program)(title, async () => {
    const outcomes = await Promise.all(
      engines.map((engine) => runTrials(engine, ({ isLong = false }) => !isLong)),
    );
    assertEquals(problemsOf(outcomes.flat()), [], tableOf(outcomes.flat()));
  });
}
