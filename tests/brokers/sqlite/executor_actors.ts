import process from "node:process";
import { actor, SqliteBroker, Worker } from "@dq/dramatiq";
import { isInsideRealm } from "../../../worker/executors/realm_modules.ts";

/** Realm of an actor that another one sent, in the order in which they ran. */
export const ran: unknown[] = [];

/** A broker on the file that the environment names. */
export const broker: SqliteBroker = new SqliteBroker({ path: process.env["EXECUTOR_FILE"]! });
broker.addMiddleware({
  afterProcessMessage(_broker, { message }) {
    if (message.actorName === "child") ran.push(message.args[0]);
  },
});

const child = actor((_sentFrom: string) => {}, { broker, actorName: "child" });
/** Sends another message from where it runs. */
export const parent = actor(
  async () => void await child.send(isInsideRealm() ? "realm" : "worker"),
  { broker, actorName: "parent" },
);

/** A worker in this realm. */
export function makeWorker(executor: "inline" | "thread" | "process"): Worker {
  const realm = { executor, threads: 1, modules: [import.meta.url], brokerExport: "broker" };
  return new Worker(broker, executor === "inline" ? {} : realm);
}
