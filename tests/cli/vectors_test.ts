/**
 * Replays the cases of `tests/vectors/cli.json` that end by themselves, or come up: options,
 * imports, numbers of processes. Those about signals, queues and pid files are in
 * `vectors_running_test.ts`.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../platform/version.ts";
import { test } from "../support/test.ts";
import { MODULES } from "./modules.ts";
import { cases, type CliCase, translate } from "./cli_vectors.ts";
import { Fixture, inLanes } from "./fixture.ts";

/** Cases that end otherwise here, and why. */
const ON_PURPOSE: Readonly<Record<string, { exit_code: number; why: string }>> = {
  "callable-raises": { exit_code: 2, why: "whatever keeps the modules from importing is 2" },
  "syntax-error": { exit_code: 2, why: "whatever keeps the modules from importing is 2" },
  "module-raises": { exit_code: 2, why: "whatever keeps the modules from importing is 2" },
  "processes-0": { exit_code: 2, why: "a worker without processes is a mistake" },
};

/** Entries that are missing, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "worker-fork-timeout-9": "forks start when the first worker works: there is nothing to wait for",
  "worker-fork-timeout-9.99": "as above",
  "worker-fork-timeout-1800001": "as above",
  "worker-fork-timeout-abc": "as above",
  "worker-fork-timeout-10": "as above",
  "worker-fork-timeout-1800000": "as above",
  "worker-fork-timeout-99.5": "as above",
  "watch-without-watchdog": "watching needs no package here",
  "module-in-path-option": "modules are paths: there is no list of folders to look in",
  "use-spawn": "there is one way to start a process",
};

/** Log line about a worker that imports its modules for more than 10 s. */
const SLOW = /has not begun to work after/;

const startsUp = ({ came_up }: CliCase) => came_up === true;
const endsByItself = ({ stderr, came_up, case: name }: CliCase) =>
  stderr !== undefined && came_up !== true && !/pid-file|one-worker|fork-function/.test(name);

test("worker.ts ends with the exit codes of dramatiq when it cannot start", async () => {
  const ending = cases().filter(endsByItself).filter((one) => !(one.case in LEFT_OUT));
  assertEquals(ending.length, 22);
  await using fixture = await Fixture.open(MODULES);
  await inLanes(ending, async ({ case: name, arguments: args, exit_code }) => {
    const program = fixture.start(translate(args));
    const code = await program.ended;
    assertEquals(code, ON_PURPOSE[name]?.exit_code ?? exit_code, `${name}: ${program.output}`);
    if (name === "version") assertEquals(program.stdout, `${VERSION}\n`);
    else if (name === "help") assertStringIncludes(program.stdout, "Usage: worker.ts");
    // One line, with the reason and no stack; code that throws is shown where it does.
    else if (!/raises|exits/.test(name) || name === "callable-raises-import-error") {
      // On a busy machine, it warns that a worker takes long to start.
      const lines = program.output.trimEnd().split("\n").filter((line) => !SLOW.test(line));
      assertEquals(lines.length, 1, program.output);
      assertStringIncludes(program.output, "Cannot ");
    }
  });
});

test("worker.ts comes up with the arguments of dramatiq, and as many processes", async () => {
  const starting = cases().filter(startsUp).filter((one) => !(one.case in LEFT_OUT));
  assertEquals(starting.length, 7);
  await inLanes(starting, async ({ arguments: args, child_processes, notes = [], exit_code }) => {
    await using fixture = await Fixture.open(MODULES);
    const program = fixture.start(translate(args));
    await program.working(child_processes);
    assertEquals(new Set(program.workers).size, child_processes);
    assertEquals(await program.stop(), exit_code);
    assertEquals(await fixture.notes(), notes);
  });
});
