/**
 * Sends messages to itself, and by another connection, with no permission of Deno but for its file.
 *
 * @module
 */
import process from "node:process";
import { actor, SqliteBroker, Worker } from "../../../mod.ts";

const path = process.argv[2]!;
const broker = new SqliteBroker({ path });
const other = new SqliteBroker({ path, share: false });
const ran: number[] = [];
const done = Promise.withResolvers<void>();
const note = (n: number) => {
  if (ran.push(n) === 3) done.resolve();
};
const own = actor(note, { broker, actorName: "note" });
const foreign = actor(note, { broker: other, actorName: "note" });
await own.send(1).catch((error) => {
  console.log(error.message);
  process.exit(0);
});
await own.sendWithOptions({ args: [2], delay: 50 });
const worker = new Worker(broker);
await worker.start();
await foreign.send(3);
await done.promise;
await worker.stop();
await other.close();
await broker.close();
console.log(ran.toSorted().join());
