/**
 * A program that declares its actors itself and has its realms run it:
 * `program_play.ts thread|process [second]`.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { actor, Message, StubBroker, Worker } from "@dq/dramatiq";

/** Not by the console: in threads of Node that is late. */
function say(text: string): void {
  writeSync(1, `${text}\n`);
}

/** Flags this realm was started with, as far as it shows. */
function flags(): unknown {
  const { Deno } = globalThis as {
    Deno?: { permissions: { querySync(query: object): { state: string } } };
  };
  const state = (query: object) => Deno?.permissions.querySync(query).state;
  return {
    net: [state({ name: "net" }), state({ name: "net", host: "127.0.0.1:7" })],
    preloaded: (globalThis as { preloaded?: boolean }).preloaded ?? false,
    stackTraceLimit: Error.stackTraceLimit,
    role: process.env["DRAMATIQ_REALM"],
  };
}

const broker = new StubBroker(); // not the global one
const look = actor(
  function look() {
    say(JSON.stringify({ pid: process.pid, isMainThread, args: process.argv.slice(2) }));
    say(JSON.stringify(flags()));
  },
  { broker },
);
const [executor, second] = process.argv.slice(2) as ["thread" | "process", string | undefined];
say(`begins: ${process.pid}`);
await setTimeout(300); // messages to a process wait for it
if (second === "second") await new Worker(new StubBroker()).start();
const worker = new Worker(broker, { executor, threads: 2, modules: "main" });
try {
  await worker.start();
  await broker.enqueue(
    new Message({ queueName: look.queueName, actorName: look.actorName, args: [] }),
  );
  await broker.join("default");
} catch (error) {
  say(String(error));
}
await worker.stop();
process.exit(0);
