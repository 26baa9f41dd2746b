import { isKept } from "../../core/cancellation.ts";
import type { Program } from "../program.ts";
import { collectQueue } from "../named_queues.ts";
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
    .option("-Q, --queue <name>", "all messages of this queue; repeatable", collectQueue)
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
    const isDead = await isDeadLetter(task, messageId);
    print(
      isDead
        ? `Message ${messageId} is a dead letter, so nothing ${dryRun ? "would be" : "was"} ` +
          "stopped; the cancellation applies if it is requeued"
        : `${verb} message ${messageId}`,
      { messageId, ...(isDead && { state: "dead" }), dryRun: dryRun === true },
    );
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

/**
 * Tells whether a message has ended as a dead letter, but not by being cancelled: the cancellation
 * may have made it one just now.
 */
async function isDeadLetter(
  { inspector }: ControlTask,
  messageId: string,
): Promise<boolean> {
  if (!inspector?.abilities.has("find")) return false;
  try {
    const { messages, running } = await inspector.find(messageId);
    if (running.length > 0 || messages.length === 0) return false;
    for (const { ref, message } of messages) {
      if (ref.state !== "dead") return false;
      const whole = message ?? (await inspector.get(ref))?.message;
      if (whole === undefined || isKept(whole)) return false;
    }
    return true;
  } catch {
    return false; // it is cancelled all the same
  }
}
