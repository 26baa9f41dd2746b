import type { FoundMessages, InspectedMessage } from "../../core/inspection.ts";
import { escapeText } from "../../platform/escape.ts";
import type { Console } from "../console.ts";
import { collect } from "../control/arguments.ts";
import { KILLED, OK } from "../exit_codes.ts";
import { isoTime } from "../iso_time.ts";
import type { Program } from "../program.ts";
import { formatDuration } from "../status.ts";
import { UsageError } from "../usage_error.ts";
import type { JobsOptions } from "./jobs_options.ts";
import { formatDetails, messageToJson } from "./messages.ts";
import { type InspectTask, makeInspectCommand, runInspect } from "./run.ts";
import { formatCount, formatTime } from "./table.ts";

const EXIT_CODES = "0 found, 1 not found, 2 wrong arguments, a module that does not import, or\n" +
  "something that the broker does not support, 3 the broker cannot be reached.";

/** Runs `jobs find`, which prints the queue, state and worker of messages. */
export function runJobsFind(
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  const text =
    "Shows where messages are: on which queue, in which state, and which worker runs them.";
  return run("find", text, args, program, console, (task, one) => {
    const { ref, messageId, actorName = "?" } = one;
    task.console.print(
      `${escapeText(`${messageId} of ${actorName} on ${ref.queueName}: ${ref.state}`)}\n`,
    );
  });
}

/** Runs `jobs show`, which prints all fields of messages. */
export function runJobsShow(
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  const text = "Shows all details of messages: arguments, options, error.";
  return run("show", text, args, program, console, (task, one) => {
    task.console.print(formatDetails(one, task.options.utc === true));
  });
}

type Task = InspectTask<JobsOptions>;

function run(
  name: string,
  description: string,
  args: readonly string[],
  program: Program,
  console: Console,
  print: (task: Task, message: InspectedMessage) => void,
): Promise<number> {
  const command = makeInspectCommand(`jobs ${name}`, description, EXIT_CODES)
    .option("--id <id>", "the message with this id; repeatable", collect);
  return runInspect<JobsOptions>(command, args, program, console, async (task) => {
    const { id = [], json } = task.options;
    if (id.length === 0) throw new UsageError(`Cannot ${name} messages: give --id`);
    let isMissing = false;
    for (const messageId of id) {
      const found = await task.inspector.find(messageId);
      for (const message of found.messages) {
        const one = await wholeOf(task, message);
        if (json) task.printJson(messageToJson(one));
        else print(task, one);
      }
      printRunning(task, found);
      if (found.messages.length + found.running.length > 0) continue;
      isMissing = true;
      const read = found.isComplete ? "" : ` in the ${formatCount(found.scanned)} that were read`;
      task.console.note(`${escapeText(`Message ${messageId} was not found`)}${read}\n`);
    }
    return isMissing ? KILLED : OK;
  });
}

/** Reads the whole message if a list has cut it; the cut one if it is gone. */
async function wholeOf({ inspector }: Task, message: InspectedMessage): Promise<InspectedMessage> {
  return message.isCut ? await inspector.get(message.ref) ?? message : message;
}

function printRunning({ options, console, printJson }: Task, { running }: FoundMessages): void {
  for (const { worker, message } of running) {
    const { messageId, actorName, queueName, since, attempt } = message;
    if (options.json) {
      const place = { queue: queueName, state: "running", messageId, actor: actorName };
      printJson({ ...place, worker: worker.id, since: isoTime(since), attempt });
      continue;
    }
    const duration = formatDuration(Math.max(0, worker.seenAt - since));
    const text = `${messageId} of ${actorName} on ${queueName}: runs in worker ${worker.id} ` +
      `(${worker.host ?? "?"} ${worker.pid}) since ${
        formatTime(since, options.utc === true)
      }, ${duration}`;
    console.print(`${escapeText(text)}\n`);
  }
}
