// Worker processes that are replaced after some messages: for an actor, or a package, that leaks memory.
// Run: deno run -A examples/max_tasks_per_child/send.ts; deno task worker examples/max_tasks_per_child/actors.ts --max-tasks-per-child 2 -t 0 --concurrency 1
// Prints: page 1 | page 2 | page 3 | page 4 (and logs "Replacing worker-1: it has processed 2 messages")
import process from "node:process";
import { actor, setBroker, SqliteBroker } from "@dq/dramatiq";

export const broker = new SqliteBroker({ path: process.env["TASKS_FILE"] ?? "tasks.db" });
setBroker(broker);

const leaked: string[] = [];

export const render = actor(function render(page: number) {
  leaked.push("x".repeat(1_000_000));
  console.log(`page ${page}`);
});
