import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";
import { timeOf } from "../time_argument.ts";
import { collect, makeControlCommand } from "./arguments.ts";
import { type ControlTask, runControl } from "./run.ts";

/**
 * Runs `worker.ts cancel`.
 *
 * @param args The arguments after `cancel`.
 * @param program This program.
 * @returns The exit code.
 */
export function runCancel(args: readonly string[], program: Program): Promise<number> {
  const command = makeControlCommand(
    "cancel",
    "Cancels waiting and running messages: one by its id, or all of an actor or queue that were made " +
      "so far. Waiting messages become dead letters, which can be requeued; running ones are stopped.",
    "0 done, 2 wrong arguments, a module that does not import, or a broker without a\n" +
      "control store, 3 the control store cannot be reached.",
  )
    .option("--id <id>", "the message with this id; repeatable", collect)
    .option("-A, --actor <name>", "all messages of this actor")
    .option("-Q, --queue <name>", "all messages of this queue; repeatable", collect)
    .option(
      "--before <time>",
      "only those made before: a date, or a time ago such as 2h, 7d (default: now)",
      timeOf("before", Date.now(), -1),
    )
    .option("--reason <text>", "the reason, for logs and dead letters")
    .option("--drop", "drop waiting messages instead of dead-lettering them")
    .option("--purge", "with --drop: drop them now, not when a worker receives them")
    .option("--yes", "required with --actor or --queue, unless with --dry-run")
    .option("--dry-run", "print what would be cancelled, and do nothing");
  return runControl(command, args, program, cancel);
}

async function cancel(task: ControlTask): Promise<void> {
  const { control, print } = task;
  const { id = [], actor, queue, before, reason, drop, purge, yes, dryRun } = task.options;
  const options = { keep: drop !== true, ...(reason !== undefined && { reason }) };
  const isAll = actor !== undefined || queue !== undefined;
  if (isAll === id.length > 0) {
    throw new UsageError("Cannot cancel messages: give either --id, or --actor or --queue");
  }
  if (purge && (!drop || !isAll)) {
    throw new UsageError(
      "Cannot purge messages: give --drop, and --actor or --queue, with --purge",
    );
  }
  const verb = dryRun ? "Would cancel" : "Cancelled";
  for (const messageId of id) {
    if (!dryRun) await control.cancel(messageId, options);
    print(`${verb} message ${messageId}`, { messageId, dryRun: dryRun === true });
  }
  if (!isAll) return;
  if (!yes && !dryRun) {
    throw new UsageError("Cannot cancel all messages that match without --yes");
  }
  const queues = queue === undefined ? [undefined] : task.queues("cancel the messages of");
  await task.warnOfUnknown(queues.flatMap((queueName) => queueName ?? []));
  for (const queueName of queues) {
    const predicate = {
      ...(actor !== undefined && { actor }),
      ...(queueName !== undefined && { queue: queueName }),
      ...(before !== undefined && { before }),
    };
    const until = dryRun
      ? before ?? Date.now()
      : await control.cancelAll(predicate, { ...options, ...(purge && { purge }) });
    const what = [
      actor === undefined ? "all messages" : `all messages of actor ${actor}`,
      ...queueName === undefined ? [] : [`on queue ${queueName}`],
    ].join(" ");
    print(`${verb} ${what} made before ${new Date(until).toISOString()}`, {
      ...predicate,
      before: until,
      dryRun: dryRun === true,
    });
  }
}
