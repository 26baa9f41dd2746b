/** Names of the commands in `subcommands.ts`, for modules that must not import it. */
export const COMMAND_NAMES: readonly string[] = [
  "cancel",
  "dashboard",
  "dead-letters",
  "jobs",
  "pause",
  "queues",
  "resume",
  "restore-delayed",
  "schedules",
  "top",
  "workers",
];
