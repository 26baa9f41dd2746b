/**
 * A thread without a library: it sends texts back as they came, and answers decoded
 * messages with what a function returned for their arguments.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";

async function noop(_n: number, _text: string): Promise<void> {}

async function answer(batch: unknown[]): Promise<void> {
  const results: unknown[] = [];
  for (let i = 0; i < batch.length; i += 2) {
    const { args } = batch[i + 1] as { args: [number, string] };
    results.push(batch[i], await noop(...args));
  }
  parentPort!.postMessage(results);
}

parentPort!.on("message", (batch: unknown[]) => {
  if (typeof batch[1] === "string") parentPort!.postMessage(batch);
  else answer(batch);
});
