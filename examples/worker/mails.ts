/**
 * Actors on a server, for a worker here and a program that sends there:
 *
 *     export DRAMATIQ_BROKER_URL=redis://127.0.0.1:6379
 *     deno task worker examples/worker/mails.ts --watch examples/worker
 *     deno run -A examples/worker/send.ts ada@example.com grace@example.com
 *
 * @module
 */
import { actor, currentSignal } from "@dq/dramatiq";
import { setTimeout as sleep } from "node:timers/promises";

export const sendMail = actor(async function sendMail(address: string) {
  if (!address.includes("@")) throw new TypeError(`"${address}" is no address`);
  await sleep(100, undefined, { signal: currentSignal() });
  console.log(`Sent a mail to ${address}`);
}, { queueName: "mails", maxRetries: 3 });
