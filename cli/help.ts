import { SUBCOMMANDS } from "./subcommands.ts";
import { commandName } from "./command_name.ts";

/** Text of `--help` after the options. */
export function helpAfterOptions(): string {
  const command = commandName();
  const width = Math.max(...Array.from(SUBCOMMANDS.keys(), ({ length }) => length));
  const subcommands = Array.from(
    SUBCOMMANDS,
    ([name, { summary }]) => `  ${command} ${`${name} --help`.padEnd(width + 9)}${summary}\n`,
  );
  return `
${subcommands.length === 0 ? "" : `Other commands:\n${subcommands.join("")}\n`}Examples:
  ${command} actors.ts
  ${command} actors.ts:broker mails.ts --processes 2 --threads 4
  ${command} actors.ts --queues mails reports --concurrency 32
  ${command} actors.ts --watch .

Signals:
  SIGTERM, SIGINT (Ctrl-C)   stop once running actors have finished; a second one kills
  SIGHUP                     reload the code, and reopen the log file
  SIGUSR2                    log what each worker process is doing

Exit codes: 0 stopped on request, 1 killed or died, 2 wrong arguments or a module that does not
import, 3 the broker cannot be reached, 4 the pid file is in use or cannot be used.
`;
}
