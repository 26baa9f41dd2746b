import { assertEquals } from "@std/assert";
import type { Script } from "../../../brokers/redis/script.ts";
import { FORGET, POSTPONE, RELEASE, TAKE_OVER } from "../../../brokers/redis/scripts.ts";
import { Stage, startForFile } from "./stage.ts";

const { test, server } = await startForFile();

/** A stage on which scripts run as one worker runs them, after what another one did meanwhile. */
class ScriptStage extends Stage {
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
  await using stage = new ScriptStage(server);
  await stage.set("SADD", "acks", "a", "b");
  await stage.set("HSET", "q.msgs", "a", "A", "b", "B");
  await stage.set("ZADD", "heartbeats", LIMIT + 1, "worker");
  assertEquals(await stage.run(TAKE_OVER, TAKEN, "worker", LIMIT, 10), 0);
  assertEquals([await stage.setOf("acks"), await stage.ids("q")], [["a", "b"], []]);

  await stage.set("ZADD", "heartbeats", LIMIT, "worker");
  assertEquals(await stage.run(TAKE_OVER, TAKEN, "worker", LIMIT, 1), 1);
  assertEquals(await stage.run(TAKE_OVER, TAKEN, "worker", LIMIT, 1), 0);
  assertEquals((await stage.ids("q")).toSorted(), ["a", "b"]);
});

test("FORGET keeps the heartbeat of a worker that was heard of since it was found dead", async () => {
  await using stage = new ScriptStage(server);
  await stage.set("ZADD", "heartbeats", LIMIT, "dead", LIMIT + 1, "alive");
  await stage.run(FORGET, ["heartbeats"], LIMIT, "dead", "alive", "unknown");
  assertEquals(await stage.sorted("heartbeats"), ["alive", `${LIMIT + 1}`]);
});

test("RELEASE makes due again what was lent, and nothing that another has taken meanwhile", async () => {
  await using stage = new ScriptStage(server);
  await stage.set("ZADD", "etas", 9_000, "lent");
  await stage.run(RELEASE, ["etas"], 5_000, "lent", "taken");
  assertEquals(await stage.sorted("etas"), ["lent", "5000"]);
});

test("POSTPONE neither delays nor gives what another has taken over meanwhile", async () => {
  await using stage = new ScriptStage(server);
  const keys = ["heartbeats", "acks", "q.msgs", "etas", "q.DQ.msgs"];
  await stage.set("SADD", "acks", "early", "due");
  const ids = ["early", "due", "early-taken", "due-taken"];
  await stage.set("HSET", "q.msgs", ...ids.flatMap((id) => [id, id.toUpperCase()]));
  const args = ids.flatMap((id) => [id.startsWith("due") ? 1_000 : 9_000, id]);
  assertEquals(await stage.run(POSTPONE, keys, 5_000, "worker", ...args), ["due"]);
  assertEquals(await stage.sorted("etas"), ["early", "9000"]);
  const left = await stage.command("HKEYS", stage.key("q.msgs")) as string[];
  assertEquals(left.toSorted(), ["due", "due-taken", "early-taken"]);
  assertEquals(await stage.setOf("acks"), ["due"]);
});
