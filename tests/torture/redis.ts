/**
 * Is anything lost when everything breaks?
 *
 * Processes send messages, of which some are delayed and some fail once; others run them. One of
 * each speaks to the server as Python's dramatiq was seen to do, without any of our code.
 * Meanwhile workers are killed and replaced, or stand still; connections, each through a
 * proxy of its own, are cut or half-open; Redis is killed and restarted. Each process
 * writes down what it does in a file that outlives it. In the end all is counted: what
 * was confirmed must have run, what ran twice must have a cause, and Redis must be empty.
 *
 *     deno run -A tests/torture/redis.ts [--messages 100000] [--seconds 150] [--seed 1]
 *     bun tests/torture/redis.ts
 *     node tests/torture/redis.ts
 *
 * Further options: `--faults 60`, `--workers 4`, `--producers 2`, `--heartbeat 2500` and
 * `--delay 5000` (ms), and `--forgetful`: Redis keeps nothing on disk, messages are lost, and
 * this must show.
 *
 * The seed decides on the messages and the faults, not on who is faster.
 *
 * @module
 */
import { tortureByCommandLine } from "./command_line.ts";
import { RedisTarget } from "./redis_target.ts";

await tortureByCommandLine(
  {
    messages: 100_000,
    seconds: 150,
    faults: 60,
    heartbeat: 2_500,
    longestDelay: 5_000,
    clockError: 120_000,
  },
  ({ options: { heartbeatTimeout }, isForgetful }) =>
    RedisTarget.open({ appendonly: !isForgetful, heartbeatTimeout }),
);
