/**
 * Is anything lost when everything dies? As `redis.ts`, with an SQLite file in the place of the
 * server: four workers and two producers, workers that are killed (SIGKILL) and replaced, or stand
 * still (SIGSTOP) for up to twice the heartbeat timeout.
 *
 *     deno run -A tests/torture/sqlite.ts [--messages 100000] [--seconds 100] [--seed 1]
 *
 * The other options are those of `redis.ts`, and with `--forgetful` a read transaction stays open all
 * the time, as that of a backup.
 *
 * @module
 */
import { tortureByCommandLine } from "./command_line.ts";
import { SqliteTarget } from "./sqlite_target.ts";

await tortureByCommandLine(
  {
    messages: 100_000,
    seconds: 100,
    faults: 60,
    heartbeat: 2_500,
    longestDelay: 5_000,
    // There is no clock of a server to go by.
    clockError: 0,
  },
  ({ options: { heartbeatTimeout }, isForgetful }) =>
    SqliteTarget.open({ heartbeatTimeout, hasReader: isForgetful }),
);
