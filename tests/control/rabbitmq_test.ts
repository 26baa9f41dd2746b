import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConnectionClosed, RabbitmqBroker, StubControlStore } from "@dq/dramatiq";
import { test } from "../support/test.ts";

test("RabbitmqBroker has the control store of its option, and closes it", async () => {
  const control = new StubControlStore();
  const broker = new RabbitmqBroker({ control });
  assertEquals(broker.controlStore, control);
  await broker.close();
  await assertRejects(() => control.read(""), ConnectionClosed);
});

test("RabbitmqBroker has no control store without the option, and refuses other values", () => {
  assertEquals(new RabbitmqBroker().controlStore, undefined);
  const make = () => new RabbitmqBroker({ control: new Map() as unknown as StubControlStore });
  assertThrows(make, TypeError, "control must be a ControlStore");
});
