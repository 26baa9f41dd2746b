/**
 * Sends mails, or rather the messages for them: `deno run -A examples/worker/send.ts ADDRESS…`.
 *
 * @module
 */
import process from "node:process";
import { getBroker } from "@dq/dramatiq";
import { sendMail } from "./mails.ts";

await using _broker = getBroker();
await sendMail.sendMany(process.argv.slice(2).map((address) => [address]));
