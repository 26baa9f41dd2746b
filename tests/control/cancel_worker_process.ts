/**
 * A worker whose actor cancels its own message, and that is killed at one moment of what follows.
 *
 * @module
 */
import process from "node:process";
import {
  actor,
  Control,
  currentMessage,
  currentSignal,
  defaultMiddleware,
  RedisBroker,
  Worker,
} from "../../mod.ts";

/** The moments, in their order. */
export const MOMENTS = ["recorded", "heard", "skipped", "acking", "acked"] as const;

/** Arguments of the program. */
export interface CancelWorkerArguments {
  readonly url: string;
  readonly namespace: string;
  readonly heartbeatTimeout: number;
  readonly diesAt: typeof MOMENTS[number];
}

const told: CancelWorkerArguments = JSON.parse(process.argv[2] ?? "null");
if (told !== null) await work(told);

async function work({ url, namespace, heartbeatTimeout, diesAt }: CancelWorkerArguments) {
  const die = (moment: typeof MOMENTS[number]) => {
    if (moment === diesAt) process.kill(process.pid, "SIGKILL");
  };
  const middleware = [{
    afterSkipMessage: () => die("skipped"),
    beforeAck: () => die("acking"),
    afterAck: () => die("acked"),
  }, ...defaultMiddleware()];
  const broker = new RedisBroker({ url, namespace, heartbeatTimeout, middleware });
  const control = new Control(broker);
  actor(async () => {
    const signal = currentSignal();
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    await control.cancel(currentMessage()!.messageId, { grace: 60_000 });
    die("recorded");
    await aborted;
    die("heard");
    signal.throwIfAborted();
  }, { broker, actorName: "target" });
  await new Worker(broker).start();
}
