/**
 * Answers: what does the claim of a unique message cost Redis? The time that the server spends on a
 * `send`, by its own `INFO commandstats`: of a plain message, of one that claims its key, and of one
 * that is refused because another one has it.
 *
 *     deno run -A bench/redis_claims.ts [messages]
 *
 * @module
 */
import process from "node:process";
import { actor, RedisBroker } from "../mod.ts";
import { startOwnRedis } from "../tests/support/servers/redis.ts";
import { runtimeVersion } from "./measure.ts";

const MESSAGES = Number(process.argv[2] ?? 2_000);
const ROUNDS = 15;
/** Most a claimed send may cost, as a multiple of a plain one. */
const BUDGET = 1.5;
/** Commands that the broker sends; what scripts call is part of their time. */
const SENT = ["eval", "evalsha", "fcall"];

const redis = await startOwnRedis();
const broker = new RedisBroker({ url: redis.url });
const plain = actor((_n: number) => {}, { broker, actorName: "plain" });
const unique = actor((_n: number) => {}, { broker, actorName: "unique", unique: true });

const rows: Record<string, (i: number) => Promise<unknown>> = {
  "plain": (i) => plain.send(i),
  "claimed": (i) => unique.send(i),
  "duplicate, verified and refused": () => unique.send(-1),
};
const times = new Map(Object.keys(rows).map((name) => [name, [] as number[]]));
try {
  for (let round = 0; round < ROUNDS; round++) {
    await broker.flush("default");
    await redis.command("FLUSHALL");
    await unique.send(-1);
    for (const [name, send] of Object.entries(rows)) {
      await send(0); // Redis knows the script from here on.
      await redis.command("CONFIG", "RESETSTAT");
      for (let i = 1; i <= MESSAGES; i++) await send(i);
      times.get(name)!.push(await scriptTime() / MESSAGES);
    }
  }
  // The fastest round: other load of the machine only adds time.
  const fastest = (name: string) => Math.min(...times.get(name)!);
  console.log(`${runtimeVersion()}, ${MESSAGES} sends a round, the fastest of ${ROUNDS} rounds\n`);
  for (const name of Object.keys(rows)) {
    const ratio = (fastest(name) / fastest("plain")).toFixed(2);
    console.log(`${name.padEnd(34)} ${fastest(name).toFixed(2).padStart(6)} µs  ${ratio} ×`);
  }
  const ratio = fastest("claimed") / fastest("plain");
  console.log(`\nbudget: a claimed send costs at most ${BUDGET} plain ones: ${ratio <= BUDGET}`);
} finally {
  await broker.close();
  await redis.stop();
}

/** Microseconds that Redis spent on scripts since the last reset. */
async function scriptTime(): Promise<number> {
  const stats = String(await redis.command("INFO", "commandstats"));
  const lines = [...stats.matchAll(/^cmdstat_(\w+):calls=\d+,usec=(\d+)/gm)];
  return lines.filter(([, name]) => SENT.includes(name!)).reduce((sum, line) => sum + +line[2]!, 0);
}
