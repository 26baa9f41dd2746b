import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DramatiqError } from "@dq/dramatiq";
import { toWire } from "../../../worker/executors/thrown_on_wire.ts";
import { until } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";
import { PoolStage } from "./scripted_realms.ts";

const turn = () => Promise.resolve();
const refusal = { refused: toWire(new Error("no")) };

/** Waits until so many realms were opened. */
async function opened(stage: PoolStage, count: number): Promise<void> {
  // deno-lint-ignore require-await -- asynchronous for `until`
  await until(async () => stage.realms.length >= count, {
    what: `see ${count} realms`,
    timeout: 30_000,
  });
}

test("RealmFleet starts another realm, a while later, for one that ended before it was ready", async () => {
  const stage = await new PoolStage().start();
  stage.realm(0).end();
  const [run] = stage.run("a");
  stage.realm(1).end("it was ended by SIGKILL"); // killed while it starts
  assertEquals(stage.realms.length, 2);
  await opened(stage, 3);
  stage.realm(2).tell({ ready: ["x"] });
  await turn();
  assertEquals([run!.told, stage.realm(2).handed], [[], ["a"]]);
  await stage.pool.stop();
});

test("RealmFleet asks to be replaced after five refusals in a row, not in a lifetime", async () => {
  const stage = await new PoolStage().start();
  let reason: string | undefined;
  stage.pool.retired.then((given) => reason = given);
  stage.realm(0).end();
  let next = 1;
  const refuse = async () => {
    stage.realm(next).tell(refusal);
    next += 1;
    await opened(stage, next + 1);
  };
  for (let i = 0; i < 3; i++) await refuse();
  stage.realm(next).tell({ ready: ["x"] });
  stage.realm(next).end();
  next += 1;
  for (let i = 0; i < 4; i++) await refuse();
  assertEquals(reason, undefined);
  stage.realm(next).tell(refusal);
  await turn();
  assertMatch(String(reason), /^Cannot start a process: no/);
  await stage.pool.stop();
});

test("RealmFleet.stop starts no realm any more, whatever ends or is refused", async () => {
  const stage = await new PoolStage({ count: 2 }).start();
  stage.realm(1).end();
  const stopping = stage.pool.stop();
  stage.realm(2).tell(refusal);
  stage.realm(0).end();
  await stopping;
  await new Promise((resolve) => setTimeout(resolve, 150)); // the first backoff is 100
  assertEquals(stage.realms.length, 3);
});

test("RealmFleet.start fails, and stops the others, when one realm cannot begin", async () => {
  const stage = new PoolStage({ count: 2 });
  const starting = stage.pool.start(stage.broker);
  stage.realm(0).tell({ ready: ["x"] });
  stage.realm(1).tell(refusal);
  await assertRejects(() => starting, DramatiqError, "Cannot start a process: ");
  assertEquals(stage.realms.map(({ isKilled }) => isKilled), [true, true]);
});

test("RealmPool.stop asks its realms to stop, and fails what still runs once", async () => {
  const stage = await new PoolStage().start();
  const [run] = stage.run("a");
  await turn();
  await stage.pool.stop();
  assertEquals([run!.told, stage.realm(0).isKilled], [["WorkerLost"], true]);
  assertEquals(stage.realm(0).posted.at(-1), { stop: true });
});
