import process from "node:process";
import { actor, type Broker, currentMessage, RedisBroker, Worker } from "@dq/dramatiq";
import { isInsideRealm } from "../../../worker/executors/realm_modules.ts";

/** Messages that arrived in the worker's realm, in the order in which their actors succeeded. */
export const arrived: string[] = [];

const { SENDING_REDIS, SENDING_NAMESPACE } = process.env;

/** A broker on the Redis that the environment names. */
export const broker: Broker = new RedisBroker({
  url: SENDING_REDIS!,
  namespace: SENDING_NAMESPACE!,
});
broker.addMiddleware({
  prepareMessage: (_broker, message, cause) =>
    message.copy({
      options: {
        preparedIn: isInsideRealm() ? "realm" : "worker",
        sender: currentMessage()?.actorName ?? "program",
        follows: cause?.actorName ?? "nothing",
      },
    }),
  afterProcessMessage(_broker, { message }) {
    const { actorName } = message;
    const options = ["preparedIn", "sender", "follows"].map((name) => message.option(name));
    arrived.push([actorName, ...options].join(" "));
  },
});

const options = { broker };
const child = actor(() => {}, { ...options, actorName: "child" });
const next = actor(() => {}, { ...options, actorName: "next" });
/** Sends another one from where it runs, and names one that follows from it. */
export const parent = actor(
  async () => {
    await child.send();
    await child.sendMany([[], []]);
  },
  { ...options, actorName: "parent", onSuccess: next },
);

/** A worker in this realm. */
export function makeWorker(executor: "inline" | "thread" | "process"): Worker {
  const realm = { executor, threads: 1, modules: [import.meta.url], brokerExport: "broker" };
  return new Worker(broker, executor === "inline" ? {} : realm);
}
