import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { after, test } from "../../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-sqlite-"));
process.env["EXECUTOR_FILE"] = join(folder, "tasks.db");
const { broker, makeWorker, parent, ran } = await import("./executor_actors.ts");
after(async () => {
  await broker.close();
  await rm(folder, { recursive: true });
});

for (const executor of ["inline", "thread", "process"] as const) {
  test(`SqliteBroker stores what an actor sends, in the realm where it runs (${executor})`, async () => {
    ran.length = 0;
    await using worker = makeWorker(executor);
    await worker.start();
    await parent.send();
    await broker.join("default");
    await worker.join();
    assertEquals(ran, [executor === "inline" ? "worker" : "realm"]);
  });
}
