import { type Command, Option } from "commander";
import type { MessageQuery, MessageState } from "../../core/inspection.ts";
import { timeOf } from "../time_argument.ts";
import { noteUnknownQueues } from "../unknown_queues.ts";
import { UsageError } from "../usage_error.ts";
import { collectQueue } from "../named_queues.ts";
import type { CommonOptions, InspectTask } from "./run.ts";

/** Options of `jobs`. */
export interface JobsOptions extends CommonOptions {
  readonly queue?: readonly string[];
  readonly state?: MessageState;
  readonly actor?: string;
  readonly id?: readonly string[];
  readonly error?: string;
  readonly since?: number;
  readonly before?: number;
  readonly order?: "oldest" | "newest";
  readonly limit?: number;
  readonly scan?: number;
  readonly group?: "error" | "actor";
  readonly yes?: true;
  readonly dryRun?: true;
}

/** States by which messages are listed. */
export const STATES: readonly MessageState[] = ["ready", "delayed", "unacknowledged", "dead"];

/** Adds the options that select messages. */
export function addFilters(command: Command, states: readonly MessageState[]): Command {
  const now = Date.now();
  return command
    .option("-Q, --queue <name>", "of this queue; repeatable", collectQueue)
    .addOption(
      new Option("--state <state>", "in this state (default: dead)").choices([...states]),
    )
    .option("-A, --actor <name>", "for this actor")
    .option("--error <text>", "whose error contains this text, in upper or lower case")
    .option(
      "--since <time>",
      "that died (are due, were sent) at this time or later: a date, or a time ago such as 2h, 7d",
      timeOf("since", now, -1),
    )
    .option(
      "--before <time>",
      "that died (are due, were sent) before this time",
      timeOf("before", now, -1),
    );
}

/** Makes a parser of whole numbers of 1 or more. */
export function countOf(flag: string): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count > 0) return count;
    throw new UsageError(
      `Cannot use "${text}" for ${flag}: it must be a whole number of 1 or more`,
    );
  };
}

/** The filters of a query. */
export function filtersOf(
  { actor, error, since, before }: JobsOptions,
): Pick<MessageQuery, "actorName" | "error" | "since" | "before"> {
  return {
    ...(actor !== undefined && { actorName: actor }),
    ...(error !== undefined && { error }),
    ...(since !== undefined && { since }),
    ...(before !== undefined && { before }),
  };
}

/** The queues of the options, or all. */
export async function queuesOf(task: InspectTask<JobsOptions>): Promise<readonly string[]> {
  const { queue } = task.options;
  if (queue !== undefined) return queue;
  const { queues } = await task.inspector.overview();
  return queues.map(({ queueName }) => queueName);
}

/** Says that no message matches, and if a queue is most likely misspelled. */
export async function noteNoMessages(task: InspectTask<JobsOptions>): Promise<void> {
  task.console.note("There are no such messages\n");
  await noteUnknownQueues(task, task.options.queue);
}
