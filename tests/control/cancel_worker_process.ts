/**
 * A worker that cancels all messages of a matrix, and kills itself at one moment.
 *
 * @module
 */
import process from "node:process";
import { Control, currentSignal, type MessageProxy, Worker } from "@dq/dramatiq";
import {
  declareActors,
  type MatrixAddress,
  openBroker,
  PLACES,
  queuesOf,
} from "./cancel_matrix.ts";

/** The moments, in order. After `heard`, it waits until all messages have reached the moment. */
export const MOMENTS = ["recording", "recorded", "heard", "skipped", "acking", "acked"] as const;

/** One of them. */
export type Moment = typeof MOMENTS[number];

/** Arguments of the program. */
export interface CancelWorkerArguments {
  readonly address: MatrixAddress;
  readonly diesAt: Moment;
  /** Ids of the messages to cancel, by actor. */
  readonly messages: Readonly<Record<string, string>>;
}

const told: CancelWorkerArguments = JSON.parse(process.argv[2] ?? "null");
if (told !== null) await work(told);

async function work({ address, diesAt, messages }: CancelWorkerArguments): Promise<void> {
  const die = () => process.kill(process.pid, "SIGKILL");
  const arrived = new Set<string>();
  const ran: string[] = [];
  /** Blocks each message at a moment until all have reached it. */
  const meet = (moment: Moment, { messageId, actorName, retried }: MessageProxy) => {
    if (moment !== diesAt || retried || messages[actorName] !== messageId) return;
    arrived.add(actorName);
    if (arrived.size === PLACES.length) die();
    if (moment !== "acked") return new Promise<void>(() => {});
  };
  process.once("SIGTERM", () => {
    console.error(`Only ${[...arrived].join(", ")} came to "${diesAt}"; ran ${ran.join(", ")}`);
    process.exit(1);
  });
  const cancels = diesAt !== "recording";
  const retryStored = Promise.withResolvers<void>();
  const { broker } = openBroker(address, [{
    afterSkipMessage: (_broker, message) => meet("skipped", message),
    beforeAck: (_broker, message) => meet("acking", message),
    afterAck: (_broker, message) => void meet("acked", message),
    async afterEnqueue(_broker, message) {
      if (message.actorName !== "flaky") return;
      // The retry is stored, and the attempt is not acknowledged yet.
      if (cancels) await control.cancel(message.messageId);
      retryStored.resolve();
    },
  }]);
  const control = new Control(broker);
  const started = new Map(
    ["running", "first", "blocker"].map((name) => [name, Promise.withResolvers<void>()]),
  );
  declareActors(broker, address, async (name) => {
    ran.push(name);
    started.get(name)?.resolve();
    const signal = currentSignal();
    if (name === "flaky") throw new Error("again");
    if (name === "hold") {
      await Promise.all([retryStored, ...started.values()].map(({ promise }) => promise));
      if (!cancels) die();
      const ids = Object.values(messages);
      await Promise.all(ids.map((id) => control.cancel(id, { grace: 60_000 })));
      if (diesAt === "recorded") die();
    }
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (diesAt === "heard") die();
    signal.throwIfAborted();
  });
  // The two messages that were cancelled earlier occupy a slot each while their hook waits.
  const concurrency = diesAt === "skipped" ? 6 : 4;
  await new Worker(broker, { queues: [queuesOf(address).own], concurrency }).start();
}
