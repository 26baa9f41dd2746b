/**
 * Is anything lost when everything breaks, with RabbitMQ?
 *
 * As tests/torture/redis.ts does it: processes send messages, some delayed, some failing
 * once; others run them; one of each speaks as Python's dramatiq does. Meanwhile workers are killed and replaced, or stand still;
 * connections are cut or half-open; RabbitMQ is stopped and started (`stop_app`,
 * `start_app`). In the end what was confirmed must have run, what ran twice must have a
 * cause, and no queue may hold a message.
 *
 *     deno run -A tests/torture/rabbitmq.ts [--messages 50000] [--seconds 150] [--seed 1]
 *     bun tests/torture/rabbitmq.ts
 *     node tests/torture/rabbitmq.ts
 *
 * Further options: `--faults 50`, `--workers 4`, `--producers 2`, `--heartbeat 2000` and
 * `--delay 20000` (ms).
 *
 * @module
 */
import { tortureByCommandLine } from "./command_line.ts";
import { RabbitmqTarget } from "./rabbitmq_target.ts";

await tortureByCommandLine(
  {
    messages: 50_000,
    seconds: 150,
    faults: 50,
    heartbeat: 2_000,
    longestDelay: 20_000,
    clockError: 2_000,
  },
  ({ options: { heartbeatTimeout } }) => RabbitmqTarget.open(heartbeatTimeout),
);
