import type {
  ChangeOutcome,
  InspectedMessage,
  MessageChange,
  MessageRef,
  MessageState,
} from "../../core/inspection.ts";
import { BrokerConnectionError } from "../../core/errors.ts";
import { escapeText } from "../../platform/escape.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Console } from "../console.ts";
import { Progress } from "../dead_letters/progress.ts";
import { KILLED, OK } from "../exit_codes.ts";
import { Interruption } from "../interruption.ts";
import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";
import { confirm, currentUser } from "./confirm.ts";
import {
  addFilters,
  countOf,
  filtersOf,
  type JobsOptions,
  noteNoMessages,
  queuesOf,
} from "./jobs_options.ts";
import { actorOf } from "./messages.ts";
import { type InspectTask, makeInspectCommand, runInspect } from "./run.ts";
import { formatCount } from "./table.ts";

const EXIT_CODES =
  "0 done, 1 stopped, or some could not be changed, 2 wrong arguments, a module\n" +
  "that does not import, or something that the broker does not support, 3 the broker cannot be reached.";
const PAGE_SIZE = 200;
/** Number of messages that are changed in one step. */
const BATCH_SIZE = 500;
/** Default maximum of messages that one command changes. */
const LIMIT = 100_000;
/** Maximum of failures that are printed. */
const MAX_FAILURES = 20;

/** A change, and its names. */
interface Verb {
  readonly name: "retry" | "drop";
  readonly description: string;
  readonly states: readonly MessageState[];
  readonly past: string;
  change(state: MessageState): MessageChange;
}

const RETRY: Verb = {
  name: "retry",
  description:
    "Puts dead letters back on their queue, with all retries left; or delayed messages, to run now.",
  states: ["dead", "delayed"],
  past: "requeued",
  change: (state) => state === "dead" ? "requeue" : "runNow",
};
const DROP: Verb = {
  name: "drop",
  description: "Drops messages for good.",
  states: ["dead", "ready", "delayed"],
  past: "dropped",
  change: () => "drop",
};

/** A message to change, without its content, as there may be many. */
interface Chosen {
  readonly ref: MessageRef;
  readonly messageId: string | undefined;
  readonly actor: string;
}

function toChosen(message: InspectedMessage): Chosen {
  return { ref: message.ref, messageId: message.messageId, actor: actorOf(message) };
}

/** Runs `jobs retry`. */
export function runJobsRetry(
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  return run(RETRY, args, program, console);
}

/** Runs `jobs drop`. */
export function runJobsDrop(
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  return run(DROP, args, program, console);
}

function run(
  verb: Verb,
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  const command = addFilters(
    makeInspectCommand(`jobs ${verb.name}`, verb.description, EXIT_CODES),
    verb.states,
  )
    .option(
      "-n, --limit <n>",
      `at most this many (default: ${LIMIT.toLocaleString("en-US")})`,
      countOf("--limit"),
    )
    .option("--dry-run", "print what would be done, and do nothing")
    .option("--yes", "do not ask for confirmation");
  return runInspect<JobsOptions>(command, args, program, console, async (task) => {
    const interruption = new Interruption();
    try {
      return await new BulkChange(verb, task, interruption).run();
    } finally {
      interruption.close();
    }
  });
}

/**
 * A change of all messages that match when it begins. They are listed first, so that the user can
 * confirm their number, and changed in steps.
 */
class BulkChange {
  readonly #verb: Verb;
  readonly #task: InspectTask<JobsOptions>;
  readonly #interruption: Interruption;
  readonly #state: MessageState;
  readonly #progress: Progress;
  #done = 0;
  #gone = 0;
  #failed = 0;

  constructor(verb: Verb, task: InspectTask<JobsOptions>, interruption: Interruption) {
    this.#verb = verb;
    this.#task = task;
    this.#interruption = interruption;
    this.#state = task.options.state ?? "dead";
    this.#progress = new Progress(task.console.isInteractive);
  }

  async run(): Promise<number> {
    const { options, console } = this.#task;
    const { name, past } = this.#verb;
    if (options.queue === undefined) {
      throw new UsageError(`Cannot ${name} messages: name the queue, with --queue`);
    }
    if (!options.yes && !options.dryRun && !console.isInteractive) {
      throw new UsageError(
        `Cannot ${name} messages without --yes: there is no terminal to ask on`,
      );
    }
    const queueNames = await queuesOf(this.#task);
    const { messages, hasMore } = await this.#gather(queueNames);
    this.#progress.clear();
    const what = `${formatCount(messages.length)} ${
      messages.length === 1 ? "message" : "messages"
    } of ${queueNames.join(", ")}`;
    if (hasMore) {
      console.note(`There are more; -n takes more than ${formatCount(messages.length)}\n`);
    }
    if (messages.length === 0) {
      await noteNoMessages(this.#task);
      return OK;
    }
    if (options.dryRun) {
      this.#print(messages, `would be ${past}`);
      if (!options.json) console.print(`${escapeText(`Would ${name} ${what}`)}\n`);
      return OK;
    }
    const change = { what: `${name} ${what}`, queueNames, count: messages.length };
    const isFinal = name === "drop";
    if (!await confirm(console, options.yes === true, { ...change, isFinal })) return KILLED;
    return await this.#changeAll(messages, what);
  }

  async #gather(
    queueNames: readonly string[],
  ): Promise<{ messages: Chosen[]; hasMore: boolean }> {
    const { inspector, options } = this.#task;
    const { limit = LIMIT } = options;
    const messages: Chosen[] = [];
    let before = options.before;
    for (const queueName of queueNames) {
      let after: string | undefined;
      do {
        const room = limit - messages.length;
        if (room <= 0) return { messages, hasMore: true };
        const page = await inspector.list({
          ...{ queueName, state: this.#state, order: "oldest", limit: Math.min(PAGE_SIZE, room) },
          ...filtersOf(options),
          ...(before !== undefined && { before }),
          ...(after !== undefined && { after }),
        });
        // Excludes messages that arrive later. Not for delayed ones, whose time is their eta.
        if (this.#state !== "delayed") before ??= page.now + 1;
        for (const message of page.messages) messages.push(toChosen(message));
        this.#progress.show(`looking through ${escapeText(queueName)}`, messages.length, undefined);
        after = page.next;
      } while (after !== undefined && !this.#interruption.isRequested);
    }
    return { messages, hasMore: false };
  }

  async #changeAll(messages: readonly Chosen[], what: string): Promise<number> {
    const { inspector, console } = this.#task;
    const change = this.#verb.change(this.#state);
    try {
      for (let i = 0; i < messages.length && !this.#interruption.isRequested; i += BATCH_SIZE) {
        const batch = messages.slice(i, i + BATCH_SIZE);
        const outcomes = await inspector.change(batch.map(({ ref }) => ref), change);
        for (const [j, outcome] of outcomes.entries()) this.#changed(batch[j]!, outcome);
        this.#progress.show(this.#verb.name, i + batch.length, messages.length);
      }
    } catch (error) {
      if (!(error instanceof BrokerConnectionError)) throw error;
      this.#printSummary(what);
      throw error;
    }
    this.#printSummary(what);
    if (this.#interruption.isRequested) console.note("Stopped before the end\n");
    return this.#interruption.isRequested || this.#failed > 0 ? KILLED : OK;
  }

  #changed(message: Chosen, result: ChangeOutcome): void {
    const { outcome } = result;
    if (outcome === "failed") this.#noteFailure(message, result.error);
    else if (outcome === "done") this.#done += 1;
    else this.#gone += 1;
    this.#print([message], outcome === "done" ? this.#verb.past : outcome);
  }

  /** Prints a failure; the other messages are still changed. */
  #noteFailure({ messageId, ref }: Chosen, error: Error): void {
    this.#failed += 1;
    if (this.#failed > MAX_FAILURES) return;
    this.#progress.clear();
    const text = `Message ${messageId ?? ref.key} stays: ${errorMessage(error)}`;
    this.#task.console.note(`${escapeText(text)}\n`);
  }

  /** Prints a JSON object for each message. */
  #print(messages: readonly Chosen[], outcome: string): void {
    if (!this.#task.options.json) return;
    for (const { ref: { queueName, state, key }, messageId = null, actor } of messages) {
      this.#task.printJson({ outcome, queue: queueName, state, key, messageId, actor });
    }
  }

  /** Prints the numbers of messages, and a record with the user and the conditions. */
  #printSummary(what: string): void {
    this.#progress.clear();
    const { options, console } = this.#task;
    const { past } = this.#verb;
    const others = [
      ...(this.#gone > 0 ? [`${formatCount(this.#gone)} were gone`] : []),
      ...(this.#failed > 0 ? [`${formatCount(this.#failed)} could not be ${past}`] : []),
    ];
    const done = `${past} ${formatCount(this.#done)} of ${what}`;
    const { actor, error, since, before } = options;
    const conditions = Object.entries({ state: this.#state, actor, error, since, before })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    console.note(`${escapeText(`${currentUser()} ${done}: ${conditions.join(", ")}`)}\n`);
    if (options.json) return;
    const sentence = [done.charAt(0).toUpperCase() + done.slice(1), ...others].join("; ");
    console.print(`${escapeText(sentence)}\n`);
  }
}
