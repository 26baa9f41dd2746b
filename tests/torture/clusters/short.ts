import { assertEquals } from "@std/assert";
import { testLong } from "../../servers/own.ts";
import type { Engine } from "./engine.ts";
import { problemsOf, tableOf } from "./report.ts";
import { runTrials } from "./trial.ts";

/**
 * Declares the short form of the trials of engines, which run side by side.
 *
 * @param name What they have in common.
 * @param engines Those that need the same program.
 */
export function testShortTrials(name: string, engines: readonly [Engine, ...Engine[]]): void {
  testLong(engines[0].program)(
    `${name} loses nothing that it had confirmed, and goes on, whichever server fails`,
    async () => {
      const outcomes = await Promise.all(
        engines.map((engine) => runTrials(engine, ({ isLong = false }) => !isLong)),
      );
      assertEquals(problemsOf(outcomes.flat()), [], tableOf(outcomes.flat()));
    },
  );
}
