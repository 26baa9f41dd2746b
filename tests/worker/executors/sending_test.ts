import process from "node:process";
import { assertEquals } from "@std/assert";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";

const redis = await startRedis();
after(() => redis.stop());
process.env["SENDING_REDIS"] = redis.url;
process.env["SENDING_NAMESPACE"] = crypto.randomUUID();
const { arrived, broker, makeWorker, parent } = await import("./sending_actors.ts");
after(() => broker.close());

for (const executor of ["inline", "thread", "process"] as const) {
  test(`prepareMessage sees what an actor sends, in the realm where it runs (${executor})`, async () => {
    arrived.length = 0;
    await using worker = makeWorker(executor);
    await worker.start();
    await parent.send();
    await broker.join("default");
    await worker.join();
    const realm = executor === "inline" ? "worker" : "realm";
    assertEquals(arrived.toSorted(), [
      ...Array(3).fill(`child ${realm} parent nothing`),
      "next worker program parent",
      "parent worker program nothing",
    ]);
  });
}
