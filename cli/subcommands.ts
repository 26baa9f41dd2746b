import type { Console } from "./console.ts";
import type { Program } from "./program.ts";

/** A command other than running actors. */
export interface Subcommand {
  /** Summary for the help. */
  readonly summary: string;
  /**
   * Runs the command.
   *
   * @param args The arguments after its name.
   * @param program This program.
   * @param console Output of commands that inspect a broker. @default The standard streams.
   * @returns The exit code.
   * @throws {UsageError} If the arguments are invalid: exit code 2.
   * @throws {BrokerConnectionError} If the broker cannot be reached: exit code 3.
   */
  run(args: readonly string[], program: Program, console?: Console): Promise<number>;
}

/** The commands by name. Their modules are imported when they run. */
export const SUBCOMMANDS: ReadonlyMap<string, Subcommand> = /* @__PURE__ */ new Map<
  string,
  Subcommand
>([
  ["cancel", {
    summary: "cancels waiting and running messages",
    async run(args, program) {
      const { runCancel } = await import("./control/cancel.ts");
      return await runCancel(args, program);
    },
  }],
  ["dashboard", {
    summary: "serves pages that show queues, messages and workers",
    async run(args, program) {
      const { runDashboard } = await import("./dashboard/command.ts");
      return await runDashboard(args, program);
    },
  }],
  ["dead-letters", {
    summary: "lists, shows, requeues and purges dead letters",
    async run(args, program) {
      const { runDeadLetters } = await import("./dead_letters/command.ts");
      return await runDeadLetters(args, program);
    },
  }],
  ["jobs", {
    summary: "lists, shows, finds, requeues and drops messages of any state",
    async run(args, program, console) {
      const { runJobs } = await import("./inspect/jobs.ts");
      return await runJobs(args, program, console);
    },
  }],
  ["pause", {
    summary: "pauses queues or an actor on all workers",
    async run(args, program) {
      const { runPause } = await import("./control/pause.ts");
      return await runPause(args, program);
    },
  }],
  ["queues", {
    summary: "lists, pauses, resumes and purges queues",
    async run(args, program, console) {
      const { runQueues } = await import("./inspect/queues.ts");
      return await runQueues(args, program, console);
    },
  }],
  ["resume", {
    summary: "resumes queues or an actor on all workers",
    async run(args, program) {
      const { runResume } = await import("./control/pause.ts");
      return await runResume(args, program);
    },
  }],
  ["restore-delayed", {
    summary: "returns delayed messages on Redis to Python workers",
    async run(args, program) {
      const { runRestoreDelayed } = await import("./restore_delayed.ts");
      return await runRestoreDelayed(args, program);
    },
  }],
  ["schedules", {
    summary: "lists, pauses, resumes and triggers periodic actors",
    async run(args, program) {
      const { runSchedules } = await import("./control/schedules.ts");
      return await runSchedules(args, program);
    },
  }],
  ["top", {
    summary: "shows what all workers are doing, continuously",
    async run(args, program, console) {
      const { runTop } = await import("./inspect/top.ts");
      return await runTop(args, program, console);
    },
  }],
  ["workers", {
    summary: "lists, quiets and resumes the live workers",
    async run(args, program, console) {
      const { runWorkers } = await import("./inspect/workers.ts");
      return await runWorkers(args, program, console);
    },
  }],
]);
