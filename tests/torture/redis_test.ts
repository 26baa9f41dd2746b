import { assertEquals, assertGreater } from "@std/assert";
import { testOwn } from "../servers/own.ts";
import { RedisVictim } from "./redis_victim.ts";
import { formatReport } from "./report.ts";
import { torture } from "./torture.ts";

const test = testOwn("redis-server");

test("RedisBroker loses nothing when workers, connections and the server die", async () => {
  const report = await torture({
    messages: 3_000,
    seconds: 5,
    longestDelay: 1_500,
    seed: 7,
    faults: 10,
    workers: 2,
    producers: 1,
    heartbeatTimeout: 2_000,
    // The machine may be busy with all the other tests. The long form is strict.
    slack: 20_000,
    deadline: 240_000,
  }, () => RedisVictim.open({ appendonly: true, heartbeatTimeout: 2_000 }));
  assertEquals(report.failures, [], formatReport(report));
  for (const kind of ["kill", "cut", "freeze", "pause", "restart"]) {
    assertGreater(report.incidents.filter((incident) => incident.kind === kind).length, 0);
  }
});
