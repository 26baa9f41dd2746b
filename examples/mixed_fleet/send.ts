// Sends a message to an actor that is declared in Python, by its name and its queue.
// Run: DRAMATIQ_BROKER_URL=redis://127.0.0.1:6379 deno run -A examples/mixed_fleet/send.ts hello
// Prints: shouted: HELLO in the Python worker
import process from "node:process";
import { getBroker, Message } from "@dq/dramatiq";

const broker = getBroker();
await broker.enqueue(
  new Message({ queueName: "python", actorName: "shout", args: [process.argv[2] ?? "hello"] }),
);
await broker.close();
