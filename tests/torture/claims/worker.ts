/**
 * A worker of `torture/claims/torture.ts`. It ends with its standard input.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { currentMessage, Snooze, Worker } from "@dq/dramatiq";
import { type ClaimWorkerArguments, openClaims, RETRIES } from "./broker.ts";
import { ClaimJournal } from "./journal.ts";

const told: ClaimWorkerArguments = JSON.parse(process.argv[2]!);
const journal = new ClaimJournal(told.journal);
/** Of ten messages one fails for good, one at first, and one is snoozed once. */
const { broker } = openClaims(told, async (key, mood) => {
  const message = currentMessage()!;
  await delay(mood % 7);
  if (mood === 3 && message.snoozes === 0) throw new Snooze(1);
  const retries = Number(message.option("retries") ?? 0);
  if (mood === 1 && retries < RETRIES || mood === 2 && retries === 0) throw new Error("again");
  journal.write({ what: "ended", id: message.messageId, key });
  if (mood === 1) throw new Error("for good");
});
const worker = new Worker(broker, { concurrency: 8 });
process.stdin.on("end", () => void worker.stop().then(() => process.exit(0))).resume();
await worker.start();
process.stdout.write("ready\n");
