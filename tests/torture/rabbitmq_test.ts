import { assertEquals, assertGreater } from "@std/assert";
import { testOwn } from "../servers/own.ts";
import { RabbitmqVictim } from "./rabbitmq_victim.ts";
import { formatReport } from "./report.ts";
import { torture } from "./torture.ts";

const test = testOwn("rabbitmq-server");

test("RabbitmqBroker loses nothing when workers and connections die, and the server stops", async () => {
  const report = await torture({
    messages: 2_000,
    seconds: 5,
    // Up to the second rung of the ladder.
    longestDelay: 5_000,
    seed: 7,
    faults: 10,
    workers: 2,
    producers: 1,
    heartbeatTimeout: 2_000,
    // The machine may be busy with all the other tests. The long form is strict.
    slack: 20_000,
    deadline: 240_000,
  }, () => RabbitmqVictim.open(2_000));
  assertEquals(report.failures, [], formatReport(report));
  for (const kind of ["kill", "cut", "freeze", "pause", "restart"]) {
    assertGreater(report.incidents.filter((incident) => incident.kind === kind).length, 0);
  }
});
