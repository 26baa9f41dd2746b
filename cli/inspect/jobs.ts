import type { Console } from "../console.ts";
import type { Program } from "../program.ts";
import { type Action, runAction } from "./run.ts";

const ACTIONS: ReadonlyMap<string, Action> = /* @__PURE__ */ new Map<string, Action>([
  ["list", {
    summary: "lists messages, or counts them by error",
    async run(args, program, console) {
      const { runJobsList } = await import("./jobs_list.ts");
      return await runJobsList(args, program, console);
    },
  }],
  ["show", {
    summary: "shows all details of a message",
    async run(args, program, console) {
      const { runJobsShow } = await import("./jobs_show.ts");
      return await runJobsShow(args, program, console);
    },
  }],
  ["find", {
    summary: "shows where a message is",
    async run(args, program, console) {
      const { runJobsFind } = await import("./jobs_show.ts");
      return await runJobsFind(args, program, console);
    },
  }],
  ["cancel", {
    summary: "cancels waiting and running messages, like the command cancel",
    async run(args, program) {
      const { runCancel } = await import("../control/cancel.ts");
      return await runCancel(args, program);
    },
  }],
  ["retry", {
    summary: "puts dead letters back on their queue, or runs delayed messages now",
    async run(args, program, console) {
      const { runJobsRetry } = await import("./jobs_change.ts");
      return await runJobsRetry(args, program, console);
    },
  }],
  ["drop", {
    summary: "drops messages for good",
    async run(args, program, console) {
      const { runJobsDrop } = await import("./jobs_change.ts");
      return await runJobsDrop(args, program, console);
    },
  }],
]);

/**
 * Runs `worker.ts jobs`.
 *
 * @param args The arguments after `jobs`.
 * @param program This program.
 * @param console The console.
 * @returns The exit code.
 */
export function runJobs(
  args: readonly string[],
  program: Program,
  console?: Console,
): Promise<number> {
  return runAction("jobs", ACTIONS, args, program, console);
}
