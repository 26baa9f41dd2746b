import { escapeText } from "../../platform/escape.ts";
import type { Program } from "../program.ts";
import { makeControlCommand } from "./arguments.ts";
import { runControl } from "./run.ts";

/**
 * Runs `worker.ts workers`.
 *
 * @param args The arguments after `workers`.
 * @param program Modules that need not be named.
 * @returns The exit code.
 */
export function runWorkers(args: readonly string[], program: Program): Promise<number> {
  const command = makeControlCommand(
    "workers",
    "Lists the workers of this library that are alive, the one that started first first.",
    "0 done, 2 wrong arguments or a module that does not import, 3 the control store\n" +
      "cannot be reached.",
  );
  return runControl(command, args, program, async ({ control, print }) => {
    for (const worker of await control.workers()) {
      const { id, host = "?", pid, queues, concurrency, running, bootedAt } = worker;
      const line = `${id}  ${host} ${pid}  ${running} of ${concurrency} running  since ` +
        `${new Date(bootedAt).toISOString()}  ${queues.join(", ")}`;
      print(escapeText(line), { ...worker });
    }
  });
}
