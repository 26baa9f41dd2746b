import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Broker, Message, SqliteBroker } from "@dq/dramatiq";
import type { Console } from "../../cli/console.ts";
import { COMMAND_LINE } from "../../cli/program.ts";
import { SUBCOMMANDS } from "../../cli/subcommands.ts";
import { receiveOne } from "../conformance/broker_messages.ts";

/** A command that runs in this process, with its recorded output. */
export class RecordedConsole implements Console {
  readonly isInteractive: boolean;
  readonly columns: number | undefined;
  /** Its output. */
  output = "";
  /** Its further notes. */
  notes = "";
  /** Its questions. */
  readonly questions: string[] = [];
  readonly #answers: string[];

  /**
   * @param answers What a person answers; without any there is nobody to ask.
   * @param columns Width of the terminal, if there is one.
   */
  constructor(answers: readonly string[] = [], columns?: number) {
    this.columns = columns;
    this.#answers = [...answers];
    this.isInteractive = answers.length > 0;
  }

  print(text: string): void {
    this.output += text;
  }

  note(text: string): void {
    this.notes += text;
  }

  ask(question: string): Promise<string> {
    this.questions.push(question);
    return Promise.resolve(this.#answers.shift() ?? "");
  }

  /** Its output: one JSON object a line. */
  get objects(): Record<string, unknown>[] {
    return this.output.split("\n").slice(0, -1).map((line) => JSON.parse(line));
  }

  /** Its output: rows of a table, without the titles. */
  get rows(): string[] {
    return this.output.split("\n").slice(1, -1);
  }
}

/** Result of a command. */
export interface Ran {
  readonly code: number;
  readonly console: RecordedConsole;
}

/**
 * Runs a command in this process, as the command line does.
 *
 * @param args The arguments, the name of the command first.
 * @param answers Answers of the user.
 * @param columns Width of the terminal, if there is one.
 */
export async function runCommand(
  args: readonly string[],
  answers: readonly string[] = [],
  columns?: number,
): Promise<Ran> {
  const console = new RecordedConsole(answers, columns);
  const command = SUBCOMMANDS.get(args[0]!)!;
  return { code: await command.run(args.slice(1), COMMAND_LINE, console), console };
}

/** Sends messages of undeclared actors. */
export async function send(
  broker: Broker,
  queueName: string,
  calls: readonly (readonly [actorName: string, ...args: unknown[]])[],
  delay?: number,
): Promise<Message[]> {
  broker.declareQueue(queueName);
  const messages = calls.map(([actorName, ...args]) =>
    new Message({ queueName, actorName, args, options: {} })
  );
  const sent: Message[] = [];
  for (const message of messages) {
    sent.push(await broker.enqueue(message, delay === undefined ? {} : { delay }));
  }
  return sent;
}

/** Makes dead letters with an error, one after the other. */
export async function bury(
  broker: Broker,
  queueName: string,
  calls: readonly (readonly [actorName: string, error: string])[],
): Promise<Message[]> {
  const sent: Message[] = [];
  for (const [actorName, error] of calls) {
    const [message] = await send(broker, queueName, [[actorName, error]]);
    sent.push(message!);
    await using consumer = broker.consume(queueName);
    const received = await receiveOne(consumer);
    received.stuffException(new RangeError(error));
    await consumer.nack([received]);
  }
  return sent;
}

/** Opens a broker on a new SQLite file, which is removed when it is disposed of. */
export async function openSqlite(): Promise<{ broker: Broker; url: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-inspect-"));
  const path = join(folder, "tasks.db");
  const broker = new SqliteBroker({ path });
  await broker.connect();
  return {
    broker,
    url: `sqlite://${path}`,
    async [Symbol.asyncDispose]() {
      await broker.close();
      await rm(folder, { recursive: true });
    },
  };
}
