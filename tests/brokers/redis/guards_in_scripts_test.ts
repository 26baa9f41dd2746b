import { assertEquals } from "@std/assert";
import type { Script } from "../../../clients/redis/script.ts";
import { POSTPONE, RELEASE } from "../../../brokers/redis/delayed_scripts.ts";
import { FORGET, TAKE_OVER } from "../../../brokers/redis/recovery_scripts.ts";
import { Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

/** A fixture on which scripts run as one worker runs them, after what another one did meanwhile. */
class ScriptFixture extends Fixture {
  run(script: Script, names: string[], ...args: (string | number)[]): Promise<unknown> {
    const keys = names.map((name) => this.key(name));
    return this.command("EVAL", script.text, keys.length, ...keys, ...args);
  }

  set(command: string, name: string, ...args: (string | number)[]): Promise<unknown> {
    return this.command(command, this.key(name), ...args);
  }

  async setOf(name: string): Promise<string[]> {
    return (await this.command("SMEMBERS", this.key(name)) as string[]).toSorted();
  }

  async sorted(name: string): Promise<string[]> {
    return await this.command("ZRANGE", this.key(name), 0, -1, "WITHSCORES") as string[];
  }
}

const TAKEN = ["heartbeats", "acks", "q", "q.msgs"];
const LIMIT = 1_000;

test("TAKE_OVER leaves what a worker has that was heard of since it was found dead", async () => {
  await using fixture = new ScriptFixture(server);
  await fixture.set("SADD", "acks", "a", "b");
  await fixture.set("HSET", "q.msgs", "a", "A", "b", "B");
  await fixture.set("ZADD", "heartbeats", LIMIT + 1, "worker");
  assertEquals(await fixture.run(TAKE_OVER, TAKEN, "worker", LIMIT, 10), 0);
  assertEquals([await fixture.setOf("acks"), await fixture.ids("q")], [["a", "b"], []]);

  await fixture.set("ZADD", "heartbeats", LIMIT, "worker");
  assertEquals(await fixture.run(TAKE_OVER, TAKEN, "worker", LIMIT, 1), 1);
  assertEquals(await fixture.run(TAKE_OVER, TAKEN, "worker", LIMIT, 1), 0);
  assertEquals((await fixture.ids("q")).toSorted(), ["a", "b"]);
});

test("FORGET keeps the heartbeat of a worker that was heard of since it was found dead", async () => {
  await using fixture = new ScriptFixture(server);
  await fixture.set("ZADD", "heartbeats", LIMIT, "dead", LIMIT + 1, "alive");
  await fixture.run(FORGET, ["heartbeats", "reports"], LIMIT, "dead", "alive", "unknown");
  assertEquals(await fixture.sorted("heartbeats"), ["alive", `${LIMIT + 1}`]);
});

test("RELEASE makes due again what was lent, and nothing that another has taken meanwhile", async () => {
  await using fixture = new ScriptFixture(server);
  await fixture.set("ZADD", "etas", 9_000, "lent");
  await fixture.run(RELEASE, ["etas"], 5_000, "lent", "taken");
  assertEquals(await fixture.sorted("etas"), ["lent", "5000"]);
});

test("POSTPONE neither delays nor gives what another has taken over meanwhile", async () => {
  await using fixture = new ScriptFixture(server);
  const keys = ["heartbeats", "acks", "q.msgs", "etas", "q.DQ.msgs"];
  await fixture.set("SADD", "acks", "early", "due");
  const ids = ["early", "due", "early-taken", "due-taken"];
  await fixture.set("HSET", "q.msgs", ...ids.flatMap((id) => [id, id.toUpperCase()]));
  const args = ids.flatMap((id) => [id.startsWith("due") ? 1_000 : 9_000, id]);
  assertEquals(await fixture.run(POSTPONE, keys, 5_000, "worker", ...args), ["due"]);
  assertEquals(await fixture.sorted("etas"), ["early", "9000"]);
  const left = await fixture.command("HKEYS", fixture.key("q.msgs")) as string[];
  assertEquals(left.toSorted(), ["due", "due-taken", "early-taken"]);
  assertEquals(await fixture.setOf("acks"), ["due"]);
});
