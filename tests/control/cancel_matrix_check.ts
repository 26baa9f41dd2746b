/**
 * Asserts the outcomes of the messages of a matrix when their worker is killed.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Broker, Control, type Message, ResultFailure, Worker } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { eventually } from "../support/servers/until.ts";
import { declareActors, fill, type MatrixAddress, openBroker, PLACES } from "./cancel_matrix.ts";
import { type CancelWorkerArguments, type Moment, MOMENTS } from "./cancel_worker_process.ts";

const PROGRAM = fileURLToPath(new URL("cancel_worker_process.ts", import.meta.url));
/** Milliseconds after which a worker counts as dead. */
const HEARTBEAT_TIMEOUT = 3_000;

/** Milliseconds after which a worker prints what it is waiting for, and ends. */
const LONGEST_LIFE = 120_000;

/** Number of runs after the death, by actor, without zeros. */
type Runs = Readonly<Record<string, number>>;

/** Runs a worker until it kills itself at a moment. */
async function runUntil(told: CancelWorkerArguments): Promise<void> {
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(told)];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, dramatiq_queue_prefetch: "100" },
  });
  const timer = setTimeout(() => child.kill("SIGTERM"), LONGEST_LIFE);
  const [code, signal] = await once(child, "exit");
  clearTimeout(timer);
  assertEquals([told.diesAt, code, signal], [told.diesAt, null, "SIGKILL"]);
}

/** Kills the worker of a matrix, and returns the runs of the next worker. */
async function runMatrix(address: MatrixAddress, diesAt: Moment): Promise<Runs> {
  await using opened = openBroker(address);
  const { broker } = opened;
  const runs: Record<string, number> = {};
  const actorOf = declareActors(
    broker,
    address,
    (name) => void (runs[name] = (runs[name] ?? 0) + 1),
  );
  const messages = await fill(broker, actorOf);
  const ids = Object.fromEntries(Array.from(messages, ([name, one]) => [name, one.messageId]));
  await runUntil({ address, diesAt, messages: ids });
  await using worker = new Worker(broker);
  await worker.start();
  const drain = async () => {
    for (const queueName of broker.queues) await broker.join(queueName, { timeout: 60_000 });
    await worker.join();
  };
  await drain();
  await eventually("settle the group", () => runs["settled"] !== undefined);
  await drain();
  for (const [name, message] of messages) await assertResult(broker, message, diesAt, name);
  assertEquals(worker.outcomes.failed, 0);
  const ran = { ...runs };
  if (address.amqp === undefined) await assertNothingLeft(broker, actorOf("prefetched"));
  return ran;
}

async function assertResult(
  broker: Broker,
  message: Message,
  diesAt: Moment,
  name: string,
): Promise<void> {
  if (diesAt === "recording" && !["waiting", "delayed"].includes(name)) return;
  const error = await assertRejects(
    () =>
      message.getResult({
        backend: broker.getResultBackend(),
        block: true,
        timeout: 30_000,
      }),
    ResultFailure,
  );
  assertEquals([name, (error as ResultFailure).origExcType], [name, "Cancelled"]);
}

/** Asserts that the queues are empty, and that no claim is left. */
async function assertNothingLeft(
  broker: Broker,
  unique: { send(): Promise<Message> },
): Promise<void> {
  for (const queueName of broker.queues) {
    const counts = await (broker as unknown as {
      getQueueMessageCounts(name: string): Promise<Record<string, number>>;
    }).getQueueMessageCounts(queueName);
    assertEquals([queueName, ...Object.values(counts).filter((count) => count > 0)], [queueName]);
  }
  const sent = await unique.send();
  assertEquals(sent.isDuplicate, false);
  assert(
    (await new Control(broker).claims()).every(({ messageId }) => messageId === sent.messageId),
  );
}

/** Asserts the runs after the death, for each moment. */
export async function checkMatrix(
  open: (moment: Moment) => MatrixAddress,
  moments: readonly Moment[] = MOMENTS,
): Promise<void> {
  const outcomes = await Promise.all(moments.map((moment) => runMatrix(open(moment), moment)));
  for (const [i, moment] of moments.entries()) {
    const { settled, hold, blocker, ...runs } = outcomes[i]!;
    const seen = Object.keys(runs).toSorted();
    assertEquals([moment, hold, blocker], [moment, 1, 1]);
    // The callback of the group may be sent twice if the worker dies while sending it.
    if (moment !== "recorded" && moment !== "heard") assertEquals([moment, settled], [moment, 1]);
    // Before the cancellation is stored, only messages that were cancelled earlier do not run.
    const all = [...PLACES, "completed", "second"].toSorted();
    const early = all.filter((name) => name !== "waiting" && name !== "delayed");
    assertEquals([moment, ...seen], [moment, ...moment === "recording" ? early : []]);
    // The retry of a message that failed may have been stored beside it.
    const { flaky: _flaky, ...once } = runs;
    assertEquals(Object.values(once).filter((count) => count !== 1), []);
  }
}

/** A unique address. */
export function newAddress(): Pick<MatrixAddress, "namespace" | "heartbeatTimeout"> {
  return { namespace: `test-${crypto.randomUUID()}`, heartbeatTimeout: HEARTBEAT_TIMEOUT };
}
