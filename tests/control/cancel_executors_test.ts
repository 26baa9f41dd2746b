import { assertEquals } from "@std/assert";
import { Control } from "@dq/dramatiq";
import { canEndBusyThreads } from "../../platform/runtime.ts";
import { Fixture, oneRealm } from "../worker/executors/fixture.ts";
import { skip, test } from "../support/test.ts";

const EXECUTORS = oneRealm(4);

for (const [name, make] of Object.entries(EXECUTORS)) {
  test(`${name} has the signal of a cancelled actor abort where it runs`, async () => {
    await using fixture = await Fixture.open(make());
    const control = new Control(fixture.broker);
    const message = fixture.broker.getActor("patient").message(fixture.journal);
    const fate = fixture.sendMessage(message);
    await fixture.written(1);
    await control.cancel(message, { grace: 60_000 });
    assertEquals((await fate).result, "Cancelled");
  });

  test(`${name} kills a cancelled actor that never ends; what ran beside it runs again`, async () => {
    await using fixture = await Fixture.open(make());
    const control = new Control(fixture.broker);
    const message = fixture.broker.getActor("endless").message(fixture.journal);
    const beside = fixture.broker.getActor("bystander").message(fixture.journal, "beside", 300);
    const fates = [fixture.sendMessage(message), fixture.sendMessage(beside)];
    await fixture.written(2);
    await control.cancel(message, { grace: 1 });
    const [endless, bystander] = await Promise.all(fates);
    assertEquals([endless!.verdict, endless!.exception], ["ack", undefined]);
    assertEquals([bystander!.verdict, bystander!.result], ["ack", "beside"]);
    assertEquals(fixture.worker.outcomes.cancelled, 1);
  });

  const rule = `${name} kills a cancelled actor that computes for ever`;
  if (name === "ThreadExecutor" && !canEndBusyThreads) {
    skip(rule, "this runtime cannot end a thread that computes; the process retires");
    continue;
  }
  test(rule, async () => {
    await using fixture = await Fixture.open(make());
    const message = fixture.broker.getActor("computeForEver").message(fixture.journal);
    const fate = fixture.sendMessage(message);
    await fixture.written(1);
    await new Control(fixture.broker).cancel(message, { grace: 1 });
    assertEquals((await fate).verdict, "ack");
    assertEquals(fixture.worker.outcomes.cancelled, 1);
  });
}
