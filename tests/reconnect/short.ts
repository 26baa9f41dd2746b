import { assertEquals } from "@std/assert";
import { testOwn } from "../servers/own.ts";
import { ACTIVITIES } from "./activities.ts";
import { FAULTS } from "./faults.ts";
import { runMatrix } from "./matrix.ts";
import { problemsOf } from "./report.ts";
import { SYSTEMS } from "./systems.ts";

/** Milliseconds: longer than it takes to notice silence, so that new connections suffer, too. */
const DURATION = 4_000;

/**
 * Declares the short form of the matrix for one system: each fault with two activities, such that
 * each activity meets every kind of fault over all systems.
 *
 * @param name Which system.
 */
export function testShortMatrix(name: string): void {
  const index = SYSTEMS.findIndex((system) => system.name === name);
  const system = SYSTEMS[index]!;
  const activities = ACTIVITIES.filter((activity) => system.omitted[activity.name] === undefined);
  testOwn(system.program)(
    `${name} reconnects after each fault, whatever goes on meanwhile`,
    async () => {
      const outcomes = await runMatrix(system, {
        duration: DURATION,
        atOnce: FAULTS.length,
        isChosen(fault, activity) {
          const row = FAULTS.indexOf(fault) + 3 * index;
          const column = activities.indexOf(activity);
          return [row, row + 3].some((n) => n % activities.length === column);
        },
      });
      assertEquals(problemsOf(outcomes), []);
      assertEquals(outcomes.length, 2 * FAULTS.length);
    },
  );
}
