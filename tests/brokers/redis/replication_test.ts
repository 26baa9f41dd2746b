import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionFailed } from "@dq/dramatiq";
import { work } from "../../conformance/broker_messages.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

/** Waits for the failure of a send. */
async function failureOf(sending: Promise<unknown>): Promise<ConnectionFailed> {
  const failure = await sending.then(() => undefined, (error) => error);
  assertInstanceOf(failure, ConnectionFailed);
  assertEquals(failure.delivery, "unknown");
  return failure;
}

test("RedisBroker waitReplicas sends again when its master is demoted while it waits", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open({ waitReplicas: { count: 1, timeout: 2_000 } });
  await broker.connect();
  await server.command("CONFIG", "RESETSTAT");
  const failing = failureOf(broker.enqueue(work("q", "text")));
  await eventually("store it", async () => (await fixture.ids("q")).length === 1);
  await server.command("REPLICAOF", "127.0.0.1", 1); // of none that runs: it keeps its data
  await server.command("REPLICAOF", "NO", "ONE");
  const { message } = await failing;
  const answers = String(await server.command("INFO", "errorstats"));
  assertEquals(/errorstat_UNBLOCKED:count=(\d+)/.exec(answers)?.[1], "1");
  // It has no replicas, and the second attempt has waited for one to the end.
  assertEquals(message, "Cannot enqueue: 0 of 1 replicas have it after 2000 ms");
  assertEquals(await fixture.firstArgs("q"), ["text"]);
});

test("RedisBroker waitReplicas fails at once where it may not wait, of unknown delivery", async () => {
  await server.command("ACL", "SETUSER", "hasty", "on", ">pw", "~*", "&*", "+@all", "-wait");
  await using fixture = new Fixture(server);
  const url = `redis://hasty:pw@127.0.0.1:${server.port}`;
  const broker = fixture.open({ url, waitReplicas: { count: 1 } });
  const { message } = await failureOf(broker.enqueue(work("q", "text")));
  assert(message.startsWith("Cannot enqueue: Redis answers to WAIT: NOPERM"), message);
  assertEquals(await fixture.firstArgs("q"), ["text"]);
});
