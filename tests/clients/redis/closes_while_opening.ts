/** A program that closes a connection while its client is being made; `closing_test.ts` runs it. */
import { RedisConnection } from "../../../clients/redis/connection.ts";

const connection = new RedisConnection({ connection: { host: "127.0.0.1", port: 1 } });
const pinging = connection.command("connect", "ping").catch(() => {});
connection.close();
await pinging;
console.log("closed");
