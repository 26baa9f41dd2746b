import { assertEquals, assertGreater } from "@std/assert";
import type { FaultKind } from "./faults.ts";
import { formatReport } from "./report.ts";
import { torture, type TortureOptions } from "./torture.ts";
import type { Target } from "./target.ts";

/** Milliseconds after which a silent worker loses what it had. */
export const HEARTBEAT_TIMEOUT = 2_000;

/**
 * Tortures a server for so long as a test may take, with at least one fault of each kind, and
 * makes sure that nothing is wrong afterwards.
 *
 * @param options How many messages, and how late.
 * @param open Starts the server.
 * @param kinds The faults that it can have.
 */
export async function tortureShortly(
  options:
    & Pick<TortureOptions, "messages" | "longestDelay" | "clockError">
    & Partial<TortureOptions>,
  open: () => Promise<Target>,
  kinds: readonly FaultKind[] = ["kill", "cut", "freeze", "silence", "pause", "restart"],
): Promise<void> {
  const report = await torture({
    seconds: 5,
    seed: 7,
    faults: 11,
    workers: 2,
    producers: 1,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    // The machine may be busy with all the other tests. The long form is strict.
    slack: 20_000,
    deadline: 240_000,
    ...options,
  }, open);
  assertEquals(report.failures, [], formatReport(report));
  for (const kind of kinds) {
    assertGreater(report.incidents.filter((incident) => incident.kind === kind).length, 0);
  }
}
