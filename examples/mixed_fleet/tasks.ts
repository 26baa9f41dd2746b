// The TypeScript half of a mixed fleet: an actor that Python calls by its name, on Python's queue.
// Run: DRAMATIQ_BROKER_URL=redis://127.0.0.1:6379 deno task worker examples/mixed_fleet/tasks.ts
// Prints: add(1, 2, -3, 0) = 0 once python_tasks.py has sent its message
import { actor } from "@dq/dramatiq";

export const add = actor(function add(...numbers: number[]) {
  const sum = numbers.reduce((a, b) => a + b, 0);
  console.log(`add(${numbers.join(", ")}) = ${sum}`);
  return sum;
});
