// A command line that is given a function, which makes the broker and then imports the actors.
// Run: deno run -A examples/callable_broker/send.ts; deno task worker examples/callable_broker/app.ts:setUp
// Prints: Hello, Ada
import process from "node:process";
import { type Broker, setBroker, SqliteBroker } from "@dq/dramatiq";

/** Makes the broker. What it needs can be read, or awaited, before the first actor is declared. */
export async function setUp(): Promise<Broker> {
  const broker = new SqliteBroker({ path: process.env["TASKS_FILE"] ?? "tasks.db" });
  setBroker(broker);
  await import("./actors.ts");
  return broker;
}
