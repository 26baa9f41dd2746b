/**
 * Arguments and help of the command `dead-letters`, without a server.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseDeadLetterArguments } from "../../cli/dead_letters/arguments.ts";
import { bar } from "../../cli/dead_letters/progress.ts";
import { test } from "../support/test.ts";
import { Fixture } from "./fixture.ts";

test("dead-letters --help describes the command, and worker.ts --help lists it", async () => {
  await using fixture = await Fixture.open();
  const [own, all] = [fixture.start(["dead-letters", "--help"]), fixture.start(["--help"])];
  assertEquals([await own.ended, await all.ended], [0, 0]);
  for (
    const word of ["list", "show", "requeue", "purge", "--since", "--broker URL", "Exit codes"]
  ) {
    assertStringIncludes(own.stdout, word);
  }
  assertStringIncludes(all.stdout, "worker.ts dead-letters --help");
});

test("bar shows the progress, or only the count if the total is unknown", () => {
  assertEquals(bar(0, 2_400), `[${"-".repeat(30)}] 0 of 2,400`);
  assertEquals(bar(1_200, 2_400), `[${"#".repeat(15)}${"-".repeat(15)}] 1,200 of 2,400`);
  assertEquals(bar(2_400, 2_400), `[${"#".repeat(30)}] 2,400 of 2,400`);
  assertEquals(bar(1_234, undefined), "1,234");
  assertEquals(bar(5, 4), "5");
});

test("parseDeadLetterArguments reads times ago, dates, and what can be repeated", () => {
  const now = Date.UTC(2026, 0, 31, 12);
  const parse = (...args: string[]) => {
    const parsed = parseDeadLetterArguments(["list", ...args, "a.ts", "b.ts"], now);
    assert(typeof parsed !== "string");
    return parsed;
  };
  assertEquals(parse().source, { modules: ["a.ts", "b.ts"] });
  assertEquals(parse("--since", "90s").since, now - 90_000);
  assertEquals(parse("--since", "1.5h", "--before", "30m").before, now - 1_800_000);
  assertEquals(parse("--since", "2d").since, now - 2 * 86_400_000);
  assertEquals(parse("--since", "2026-01-30").since, Date.UTC(2026, 0, 30));
  assertEquals(parse("--since", "2026-01-30T01:00:00Z").since, Date.UTC(2026, 0, 30, 1));
  assertEquals(parse("-Q", "a", "-Q", "b", "-A", "x", "--id", "1").queues, ["a", "b"]);
  const { limit, isDryRun, isJson } = parse("-n", "5", "--json");
  assertEquals([limit, isDryRun, isJson], [5, false, true]);
});

test("dead-letters without an action is an error that names the actions", async () => {
  await using fixture = await Fixture.open();
  const program = fixture.start(["dead-letters"]);
  assertEquals(await program.ended, 2);
  assertEquals(
    program.output,
    "Cannot run dead-letters without an action: name one of list, show, requeue, purge; " +
      "worker.ts dead-letters --help says more\n",
  );
});
