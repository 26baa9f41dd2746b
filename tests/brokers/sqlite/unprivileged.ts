/**
 * Sends a message to each file that it is given, as a user who owns nothing, and prints what comes
 * of it: `deno run -A unprivileged.ts a.db b.db`. It is a process of its own, since the user is
 * that of the whole process.
 *
 * @module
 */
import process from "node:process";
import { type BrokerConnectionError, Message, SqliteBroker } from "../../../mod.ts";

/** Outcome for one file. */
export interface Outcome {
  /** `"sent"`, or the message of the error. */
  readonly message: string;
  readonly delivery?: string;
}

/** The user that owns nothing. */
const NOBODY = 65_534;

async function send(path: string): Promise<Outcome> {
  const broker = new SqliteBroker({ path });
  try {
    await broker.enqueue(new Message({ queueName: "default", actorName: "work", args: [] }));
    return { message: "sent" };
  } catch (error) {
    const { message, delivery } = error as BrokerConnectionError;
    return { message, delivery };
  } finally {
    await broker.close();
  }
}

await new SqliteBroker({ path: ":memory:" }).connect(); // what is loaded late may be unreadable
if (process.getuid?.() === 0) process.seteuid!(NOBODY);
const outcomes: Outcome[] = [];
for (const path of process.argv.slice(2)) outcomes.push(await send(path));
console.log(JSON.stringify(outcomes));
