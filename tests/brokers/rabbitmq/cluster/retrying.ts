import { assertEquals } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { linesOf, textOf } from "../../../support/log.ts";
import { eventually } from "../fixture.ts";
import { type ClusterFile, declareOnTarget, openAtHome } from "./fixture.ts";

const LIMITED = { queueType: "quorum", deliveryLimit: 5 } as const;
const COUNT = 32;

/** Retries while a node is away. */
export function retrying(file: ClusterFile): void {
  const { test, target } = file;

  test("Retries of a quorum queue are stored, once each, while the node of its leader is away", async () => {
    const queueName = "retrying";
    await declareOnTarget(file, LIMITED, queueName);
    await using broker = openAtHome(file, LIMITED);
    const runs = new Map<number, number>();
    const gone = Promise.withResolvers<void>();
    const failOnce = actor(async (n: number) => {
      const run = (runs.get(n) ?? 0) + 1;
      runs.set(n, run);
      await gone.promise;
      if (run === 1) throw new Error("once");
    }, { broker, queueName, actorName: "failOnce", minBackoff: 1, maxBackoff: 1_000 });
    await failOnce.sendMany(Array.from({ length: COUNT }, (_, n) => [n]));
    const lines = await linesOf({ category: ["dramatiq"], lowestLevel: "error" }, async () => {
      await using worker = new Worker(broker, { concurrency: COUNT });
      await worker.start();
      await eventually("run all", () => runs.size === COUNT);
      await target.server.kill();
      gone.resolve(); // the first retries come before there is another leader
      await broker.join(queueName);
    });
    assertEquals(target.server.pid, undefined);
    assertEquals([...runs.values()], new Array(COUNT).fill(2));
    assertEquals((await broker.getQueueMessageCounts(queueName)).dead, 0);
    // Only of the messages that fail, as always.
    assertEquals(lines.map(textOf).filter((line) => !line.endsWith("failed: once")), []);
  });
}
