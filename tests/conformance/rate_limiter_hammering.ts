import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { ConcurrentRateLimiter, type Slot } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { startRedis } from "../support/servers/redis.ts";
import { runProgram } from "../support/servers/run_program.ts";
import type { HammerAssignment } from "./rate_limiter_hammer.ts";
import type { Rules } from "./rate_limiter_harness.ts";

const PROGRAM = fileURLToPath(new URL("rate_limiter_hammer.ts", import.meta.url));
const PROCESSES = 3;
/** In each process. */
const CLIENTS = 100;
const LIMIT = 7;
const BUCKET = 50;
const WINDOW_SECONDS = 3;
/** Milliseconds of a sliding window of one second, less those by which clocks may differ. */
const SLIDING = 980;

/** Rules of what hundreds of clients in several processes can do to a limit. */
export const hammering: Rules = {
  hammer: {
    // Reference: RateLimiter
    rule: "no limiter ever exceeds its limit under hundreds of clients in several processes",
    needs: "address",
    async check(fixture) {
      // Redis notes who is in, whatever the backend: each note has its place in one list.
      await using notes = await startRedis();
      const assignment: HammerAssignment = {
        ...fixture.harness.address!,
        notes: notes.url,
        key: fixture.key,
        clients: CLIENTS,
        attempts: 10,
        limit: LIMIT,
        bucket: BUCKET,
        window: WINDOW_SECONDS,
      };
      const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM];
      await Promise.all(
        Array.from(
          { length: PROCESSES },
          () => runProgram(process.execPath, [...args, JSON.stringify(assignment)], {}),
        ),
      );

      const read = (name: string) =>
        notes.command("LRANGE", `${fixture.key}-${name}`, 0, -1) as Promise<string[]>;
      assertHolders(await read("concurrent"));
      assertHolders(await read("leases"));
      assertBuckets(await read("bucket"));
      assertWindows((await read("window")).map(Number));
      assertSliding(await read("sliding"));

      // All have left: there is room for exactly as many as the limit allows.
      for (const kind of ["concurrent", "leases"]) {
        const options = { limit: LIMIT, leases: kind === "leases" };
        const limiter = new ConcurrentRateLimiter(
          await fixture.open(),
          `${fixture.key}-${kind}`,
          options,
        );
        const slots: Slot[] = [];
        do slots.push(await limiter.acquire({ raiseOnFailure: false })); while (
          slots.at(-1)!.acquired
        );
        assertEquals(slots.length - 1, LIMIT, kind);
        for (const slot of slots) await slot.release();
      }
    },
  },
};

/** "+" and a name for each who came in, "-" and the name before it leaves. */
function assertHolders(notes: readonly string[]): void {
  const holders = new Set<string>();
  let most = 0;
  for (const note of notes) {
    const name = note.slice(1);
    assertEquals(holders.has(name), note.startsWith("-"), `${name} is noted out of order`);
    if (note.startsWith("+")) holders.add(name);
    else holders.delete(name);
    most = Math.max(most, holders.size);
    assert(most <= LIMIT, `${most} held one of ${LIMIT} slots`);
  }
  assertEquals(holders.size, 0);
  assertGreater(notes.length, 2 * LIMIT);
  assertGreater(most, 1, "there were never two at the same time: the test has no effect");
}

/** The start of the bucket of each who came in. */
function assertBuckets(starts: readonly string[]): void {
  const counts = Map.groupBy(starts, (start) => start);
  for (const [start, { length }] of counts) {
    assert(length <= LIMIT, `${length} came in in the bucket of ${start}`);
  }
  assertGreater(starts.length, 0);
}

/** The second of each who came in. */
function assertWindows(seconds: readonly number[]): void {
  for (const first of new Set(seconds)) {
    const count = seconds.filter((one) => one >= first && one < first + WINDOW_SECONDS).length;
    assert(count <= LIMIT, `${count} came in in the window from ${first}`);
  }
  assertGreater(seconds.length, 0);
}

/** The times between which each came in: when it asked, and when it was answered. */
function assertSliding(notes: readonly string[]): void {
  const times = notes.map((note) => note.split(" ").map(Number) as [number, number]);
  for (const [first] of times) {
    const count = times.filter(([asked, answered]) =>
      asked >= first && answered < first + SLIDING
    ).length;
    assert(count <= LIMIT, `${count} came in within ${SLIDING} ms from ${first}`);
  }
  assertGreater(times.length, 0);
}
