import process from "node:process";
import { escapeText } from "../../platform/escape.ts";
import type { Broker } from "../../core/broker.ts";
import type { DeadLetter } from "../../core/dead_letters.ts";
import { BrokerConnectionError } from "../../core/errors.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { openBroker } from "../broker_source.ts";
import { KILLED, OK } from "../exit_codes.ts";
import { Interruption } from "../interruption.ts";
import { assertDeclared, findQueues } from "../named_queues.ts";
import type { Program } from "../program.ts";
import { writeAll } from "../output.ts";
import { type DeadLetterArguments, parseDeadLetterArguments } from "./arguments.ts";
import { formatDetails, formatHead, formatJson, formatRow } from "./format.ts";
import { Progress } from "./progress.ts";

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;
/** Number of dead letters that are read, and requeued or dropped concurrently. */
const PAGE_SIZE = 100;
const LONGEST_ACTOR_NAME = 32;

/**
 * Runs `worker.ts dead-letters`.
 *
 * @param args The arguments after `dead-letters`.
 * @param program This program.
 * @returns The exit code.
 * @throws {UsageError} If the arguments are invalid, or a module cannot be imported.
 * @throws {BrokerConnectionError} If the broker cannot be reached.
 */
export async function runDeadLetters(args: readonly string[], program: Program): Promise<number> {
  const parsed = parseDeadLetterArguments(args, Date.now(), program);
  if (typeof parsed === "string") {
    writeAll(STANDARD_OUTPUT, parsed);
    return OK;
  }
  const broker = await openBroker(parsed.source);
  const interruption = new Interruption();
  try {
    const queues = await queuesOf(broker, parsed);
    const visit = new Visit(broker, parsed, interruption);
    for (const queueName of queues.read) await visit.queue(queueName, queues.chosen);
    visit.printSummary(queues.chosen);
    return interruption.isRequested || visit.failures > 0 ? KILLED : OK;
  } finally {
    interruption.close();
    await broker.close();
  }
}

/** The queues that the user chose, and those of them that are read. */
interface Queues {
  readonly chosen: readonly string[];
  readonly read: readonly string[];
}

/** @throws {UsageError} If the modules do not declare a given queue. */
async function queuesOf(broker: Broker, args: DeadLetterArguments): Promise<Queues> {
  const { source, queues } = args;
  if ("url" in source) return await listedQueues(broker, queues);
  assertDeclared(broker.queues, queues, "read the dead letters of");
  const chosen = queues.length === 0 ? [...broker.queues] : queues;
  return { chosen, read: chosen };
}

/** Reading the dead letters of a queue declares it on RabbitMQ: those without any are not read. */
async function listedQueues(broker: Broker, named: readonly string[]): Promise<Queues> {
  const { queues, note } = await findQueues(broker, named);
  if (note !== undefined) writeAll(STANDARD_ERROR, `${escapeText(note)}\n`);
  return {
    chosen: queues.map(({ queueName }) => queueName),
    read: queues.filter(({ dead }) => dead !== 0).map(({ queueName }) => queueName),
  };
}

/** Iterates over the dead letters of queues, and runs the action on those that match. */
class Visit {
  readonly #broker: Broker;
  readonly #args: DeadLetterArguments;
  readonly #interruption: Interruption;
  readonly #progress: Progress;
  #matched = 0;
  #done = 0;
  failures = 0;

  constructor(broker: Broker, args: DeadLetterArguments, interruption: Interruption) {
    this.#broker = broker;
    this.#args = args;
    this.#interruption = interruption;
    const isTerminal = process.stderr.isTTY === true;
    // No progress bar among lines on the same terminal.
    const printsLines = args.action === "list" || args.action === "show" || args.isJson;
    this.#progress = new Progress(isTerminal && !(printsLines && process.stdout.isTTY === true));
  }

  async queue(queueName: string, queues: readonly string[]): Promise<void> {
    const { action, limit } = this.#args;
    if (this.#interruption.isRequested || this.#matched >= limit) return;
    const total = await countDead(this.#broker, queueName);
    let read = 0;
    let underWay: Promise<void>[] = [];
    try {
      for await (const dead of this.#broker.deadLetters(queueName, { pageSize: PAGE_SIZE })) {
        this.#progress.show(`${action} ${queueName}`, read++, total);
        if (this.#interruption.isRequested || this.#matched >= limit) break;
        if (!this.#matches(dead)) continue;
        this.#matched += 1;
        const acting = this.#act(dead, queues);
        acting.catch(() => {}); // awaited below
        underWay.push(acting);
        if (underWay.length < PAGE_SIZE) continue;
        await Promise.all(underWay);
        underWay = [];
      }
      await Promise.all(underWay);
    } catch (error) {
      await Promise.allSettled(underWay);
      this.#progress.clear();
      if (this.#done > 0) this.printSummary([queueName]);
      throw error;
    }
    this.#progress.clear();
  }

  /** Prints how many dead letters were changed, or that there were none. */
  printSummary(queues: readonly string[]): void {
    const { action, isDryRun, isJson } = this.#args;
    if (this.#interruption.isRequested) writeAll(STANDARD_ERROR, "Stopped before the end\n");
    if (isJson) return;
    const where = `of ${queues.length === 0 ? "any queue" : queues.join(", ")}`;
    const which = this.#matched === 1 ? "dead letter" : "dead letters";
    if (this.#matched === 0) {
      return writeAll(STANDARD_OUTPUT, `There are no such dead letters ${where}\n`);
    }
    if (action === "list" || action === "show") return;
    const verb = action === "requeue" ? "requeue" : "drop";
    const text = isDryRun
      ? `Would ${verb} ${this.#matched} ${which} ${where}`
      : `${verb === "requeue" ? "Requeued" : "Dropped"} ${this.#done} of ${this.#matched} ` +
        `${which} ${where}`;
    writeAll(STANDARD_OUTPUT, `${text}\n`);
  }

  #matches(dead: DeadLetter): boolean {
    const { actors, ids, since, before } = this.#args;
    const { message, diedAt } = dead;
    if (actors.length > 0 && !actors.includes(message.actorName)) return false;
    if (ids.length > 0 && !ids.some((id) => message.messageId.startsWith(id))) return false;
    // Without a time of death it matches no range of times.
    if (since !== undefined && !(diedAt! >= since)) return false;
    return before === undefined || diedAt! < before;
  }

  async #act(dead: DeadLetter, queues: readonly string[]): Promise<void> {
    switch (this.#args.action) {
      case "list":
        return this.#list(dead, queues);
      case "show":
        return this.#print(formatDetails(dead), dead);
      case "requeue":
        return await this.#change(dead, "requeued", () => dead.requeue());
      case "purge":
        return await this.#change(dead, "dropped", () => dead.drop());
    }
  }

  #list(dead: DeadLetter, queues: readonly string[]): void {
    const { actors } = this.#broker; // none without modules
    const actor = actors.size === 0
      ? LONGEST_ACTOR_NAME
      : Math.min(longest([...actors.keys(), "(no message)"]), LONGEST_ACTOR_NAME);
    const columns = { queue: longest([...queues, "QUEUE"]), actor };
    if (this.#matched === 1 && !this.#args.isJson) {
      writeAll(STANDARD_OUTPUT, cut(formatHead(columns)));
    }
    this.#print(cut(formatRow(dead, columns)), dead);
  }

  /**
   * Changes a dead letter. A failure is printed, unless the broker cannot be reached, which ends
   * all.
   */
  async #change(
    dead: DeadLetter,
    outcome: "requeued" | "dropped",
    change: () => Promise<boolean>,
  ): Promise<void> {
    const { isDryRun, isJson } = this.#args;
    try {
      const isDone = !isDryRun && await change();
      if (isDone) this.#done += 1;
      const result = isDone ? outcome : isDryRun ? `would be ${outcome}` : "gone";
      if (isJson) writeAll(STANDARD_OUTPUT, `${formatJson(dead, result)}\n`);
    } catch (error) {
      if (error instanceof BrokerConnectionError) throw error;
      this.failures += 1;
      this.#progress.clear();
      writeAll(
        STANDARD_ERROR,
        `${escapeText(`Message ${dead.message.messageId} stays: ${errorMessage(error)}`)}\n`,
      );
    }
  }

  #print(text: string, dead: DeadLetter): void {
    this.#progress.clear();
    writeAll(STANDARD_OUTPUT, this.#args.isJson ? `${formatJson(dead)}\n` : text);
  }
}

/** Number of dead letters; `undefined` on brokers that do not count them. */
async function countDead(broker: Broker, queueName: string): Promise<number | undefined> {
  const counting = broker as Broker & {
    getQueueMessageCounts?(queueName: string): Promise<{ dead: number }>;
  };
  return (await counting.getQueueMessageCounts?.(queueName))?.dead;
}

/** Cuts a row to the width of the terminal. */
function cut(text: string): string {
  const { isTTY, columns } = process.stdout;
  const line = text.trimEnd();
  return `${isTTY === true && columns > 0 ? line.slice(0, columns) : line}\n`;
}

function longest(texts: readonly string[]): number {
  return Math.max(...texts.map(({ length }) => length));
}
