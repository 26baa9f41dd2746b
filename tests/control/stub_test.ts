import { assertEquals, assertThrows } from "@std/assert";
import { StubBroker, StubControlStore } from "@dq/dramatiq";
import { controlStoreConformance } from "../conformance/control_store.ts";
import { test } from "../support/test.ts";

const stores = new Map<string, StubControlStore>();

controlStoreConformance({
  name: "StubControlStore",
  open: (namespace, clock) => {
    const store = stores.get(namespace) ?? new StubControlStore({ clock });
    stores.set(namespace, store);
    return store;
  },
  skips: {
    survivesOutages: "it has no server",
    survivesFlushes: "nobody else can make it forget",
  },
});

test("StubBroker has a control store of its own, which is closed with it", async () => {
  const broker = new StubBroker();
  assertEquals(broker.controlStore, broker.controlStore);
  await broker.controlStore.change([{ key: "a", value: 1 }]);
  assertEquals((await new StubBroker().controlStore.read("")).entries, []);
  await broker.close();
});

test("StubControlStore refuses unknown options", () => {
  assertThrows(() => new StubControlStore({ url: "" } as object), TypeError, "url");
});
