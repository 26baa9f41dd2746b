import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { canEndBusyThreads, runtime } from "../../../platform/runtime.ts";
import { runProgram } from "../../support/servers/run_program.ts";
import { until } from "../../support/servers/until.ts";
import { skip, test } from "../../support/test.ts";
import { type Report, retriesOf, runScenario } from "./crash_scenario.ts";

const SCENARIO = fileURLToPath(new URL("./crash_scenario.ts", import.meta.url));
const HEAP = "--max-old-space-size=96";

const CRASHES: Record<string, string> = {
  exit: "calls process.exit()",
  exitLater: "calls process.exit(0) in a timer",
  denoExit: "calls Deno.exit()",
  throwLater: "leaves an error in a timer",
  rejectLater: "leaves a promise that rejects",
  kill: "has its process killed",
  disconnect: "cuts its process off from the worker",
  eat: "eats all memory",
};
const STUCK: Record<string, string> = {
  spin: "computes for ever",
  spinLater: "computes for ever after a wait",
  wait: "waits for ever",
  ignore: "ignores its signal",
};

const CAUSES: Record<string, string> = {
  throwLater: "Error: thrown in a timer",
  rejectLater: "Error: rejected unheard",
};

/** Why something cannot be done to a realm. */
function reasonToSkip(kind: string, how: string): string | undefined {
  if (how === "denoExit" && runtime !== "deno") return "there is no Deno";
  if (kind === "thread" && ["kill", "disconnect", "eat"].includes(how)) {
    return "it ends all threads: that is what processes are for";
  }
  if (how === "eat" && runtime === "bun") return "Bun has no limit for its heap";
}

async function playSomewhere(kind: string, how: string): Promise<Report> {
  const isEndless = how.startsWith("spin") && kind === "thread" && !canEndBusyThreads;
  // The test runner of Bun deals with them itself, and ends the thread without a word.
  const isUncaught = runtime === "bun" && kind === "thread" && CAUSES[how] !== undefined;
  if (!isEndless && !isUncaught) return await runScenario(kind, how, how === "eat" ? [HEAP] : []);
  const run = runtime === "deno" ? ["run", "-A"] : [];
  const output = await runProgram(process.execPath, [...run, SCENARIO, kind, how], {});
  return JSON.parse(output.trim().split("\n").at(-1)!);
}

for (
  const [kind, name] of [["thread", "ThreadExecutor"], ["process", "ProcessExecutor"]] as const
) {
  for (const [how, does] of Object.entries({ ...CRASHES, ...STUCK })) {
    const rule = `${name} fails an actor that ${does}, and no other message`;
    const reason = reasonToSkip(kind, how);
    if (reason !== undefined) {
      skip(rule, reason);
      continue;
    }
    test(rule, async () => {
      const { offender, unharmed, bystanders, isAlive, retired } = await playSomewhere(kind, how);
      const [verdict, error, cause, retries, runs] = offender;
      const expected = how in CRASHES ? "ActorCrashed" : "TimeLimitExceeded";
      // Where it is in doubt who is to blame, an attempt takes a second run, alone.
      const attempts = retriesOf(how) + 1;
      assertEquals([verdict, error, retries], ["nack", expected, attempts]);
      assert(runs >= attempts && runs <= 2 * attempts, `it ran ${runs} times`);
      assertEquals(cause, CAUSES[how] ?? "");
      const [all, ended] = bystanders;
      assertEquals([unharmed, ended, isAlive], [all, all, true]);
      const isStuckForGood = how.startsWith("spin") && kind === "thread" && !canEndBusyThreads;
      assertEquals(retired !== undefined, isStuckForGood, retired);
      if (how.startsWith("spin") && !isStuckForGood) await nothingBurns();
    });
  }
}

/** Waits for a moment in which this process hardly computes. On Deno other files run in it, too. */
async function nothingBurns(): Promise<void> {
  await until(async () => {
    const before = process.cpuUsage();
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 < (performance.now() - start) / 3;
  }, { what: "see the processor idle", timeout: 60_000 });
}
