import { assertEquals } from "@std/assert";
import {
  type ControlEntry,
  type ControlListener,
  type ControlSnapshot,
  StubControlStore,
} from "@dq/dramatiq/control";
import { ControlView } from "../../control/view.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A store whose notifications the test sends, and whose reads it can delay. */
class ManualStore extends StubControlStore {
  listener: ControlListener | undefined;
  gate: Promise<void> = Promise.resolve();

  override async read(selection: string | readonly string[]): Promise<ControlSnapshot> {
    const snapshot = await super.read(selection);
    await this.gate;
    return snapshot;
  }

  override watch(_prefix: string, listener: ControlListener): Disposable {
    this.listener = listener;
    return { [Symbol.dispose]: () => {} };
  }
}

/** A view of the entries with the prefix `a/`, and its notifications. */
async function open() {
  const clock = new FakeClock();
  const store = new ManualStore({ clock });
  const told: [string, unknown][] = [];
  const view = new ControlView({
    store,
    clock,
    prefixes: ["a/"],
    changed: ({ key, value }) => told.push([key, value]),
  });
  await store.change([{ key: "a/1", value: 1 }, { key: "a/2", value: 1 }, { key: "b", value: 1 }]);
  view.start();
  await view.ready;
  const entry = async (key: string): Promise<ControlEntry> => {
    return (await store.read([key])).entries[0]!;
  };
  return { clock, store, view, told, entry };
}

test("ControlView reports removed entries after a reset, and no entry twice", async () => {
  const { clock, store, view, told } = await open();
  assertEquals(told.splice(0), [["a/1", 1], ["a/2", 1]]);
  await store.change([{ key: "a/1", value: null }, { key: "a/3", value: 3 }]);
  store.listener!.reset();
  await clock.settle();
  assertEquals(told, [["a/1", null], ["a/3", 3]]);
  view.stop();
  await store.close();
});

test("ControlView applies notifications during a read after the result of the read", async () => {
  const { clock, store, view, told, entry } = await open();
  told.splice(0);
  const { promise, resolve } = Promise.withResolvers<void>();
  const old = await entry("a/1");
  await store.change([{ key: "a/1", value: 2 }]);
  const young = await entry("a/1");
  await store.change([{ key: "a/1", value: 3 }]);
  store.gate = promise;
  store.listener!.reset(); // it reads 3
  await store.change([{ key: "a/2", value: null }]);
  store.listener!.changed({ key: "a/2", value: null, version: young.version + 9 });
  for (const late of [young, old]) store.listener!.changed(late); // overtaken by the read
  resolve();
  await clock.settle();
  assertEquals(told, [["a/1", 3], ["a/2", null]]);
  view.stop();
  await store.close();
});
