import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionClosed, type ControlStore } from "@dq/dramatiq";

import type { ControlEntry, ControlJson } from "@dq/dramatiq/control";
import type { Rules } from "./control_store_harness.ts";

/** Keys and values of the entries with a prefix. */
async function read(store: ControlStore, prefix = ""): Promise<Record<string, ControlJson>> {
  const { entries } = await store.read(prefix);
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

async function versionOf(store: ControlStore, key: string): Promise<number> {
  return (await store.read([key])).entries[0]?.version ?? 0;
}

/** Rules of `read` and `change` do. */
export const verbs: Rules = {
  readsByPrefix: {
    rule: "read gives the entries with a prefix, by key, to all that share the storage",
    async check(fixture) {
      const store = fixture.open();
      assertEquals(await read(store), {});
      await store.change([
        { key: "pause/queue/b", value: 1 },
        { key: "worker/1", value: { pid: 7 } },
        { key: "pause/queue/a", value: 2 },
        { key: "cancel/id/x", value: {} },
      ]);
      const other = fixture.open();
      const { entries } = await other.read("pause/");
      assertEquals(entries.map(({ key }) => key), ["pause/queue/a", "pause/queue/b"]);
      assertEquals(await read(other, "worker/"), { "worker/1": { pid: 7 } });
      assertEquals(Object.keys(await read(other)).length, 4);
      assertEquals(await read(other, "pause/queue/c"), {});
    },
  },

  readsKeys: {
    rule: "read gives single entries by their keys, each once, and leaves out what is not there",
    async check(fixture) {
      const store = fixture.open();
      await store.change([
        { key: "pause/b", value: 1 },
        { key: "pause/bc", value: 2 },
        { key: "claim/a/1", value: { messageId: "1" } },
        { key: "worker/1", value: 3, ttl: 1_000 },
        { key: "gone", value: 4 },
        { key: "other", value: 5 },
      ]);
      await store.change([{ key: "gone", value: null }]);
      const other = fixture.open();
      const found = async (...keys: string[]) =>
        (await other.read(keys)).entries.map(({ key, value }) => [key, value]);
      assertEquals(await found("worker/1", "pause/b", "claim/a/1", "gone", "none", "pause/b"), [
        ["claim/a/1", { messageId: "1" }],
        ["pause/b", 1],
        ["worker/1", 3],
      ]);
      const [entry] = (await other.read(["claim/a/1"])).entries;
      assertEquals(entry?.version, await versionOf(store, "claim/a/1"));
      assertEquals([await found(), await found("pause/")], [[], []]);
      assertEquals((await other.read([])).now, fixture.clock.now());
      await fixture.clock.advance(1_000);
      assertEquals(await found("worker/1"), []);
    },
  },

  keepsValues: {
    rule: "values come back as they were stored",
    async check(fixture) {
      const store = fixture.open();
      const values: Record<string, ControlJson> = {
        "v/texts": ["", " a b ", "ä\u0000\n😀", '"'],
        "v/numbers": [0, -1.5, 1e300, 9007199254740991],
        "v/empty": { list: [], object: {} },
        "v/nested": { a: [{ b: null }, [true, false]] },
        "v/text": "",
        "v/zero": 0,
        "v/no": false,
      };
      await store.change(Object.entries(values).map(([key, value]) => ({ key, value })));
      assertEquals(await read(fixture.open(), "v/"), values);
      const odd = "cancel/id/a b\n%*[x]\\ä";
      await store.change([{ key: odd, value: 1 }]);
      assertEquals(await read(store, "cancel/id/a b\n%*[x"), { [odd]: 1 });
    },
  },

  changesInOrder: {
    rule:
      "change replaces and removes entries, in order, and removing what is not there is no error",
    async check(fixture) {
      const store = fixture.open();
      await store.change([{ key: "a", value: 1 }, { key: "b", value: 1 }, { key: "a", value: 2 }]);
      await store.change([{ key: "b", value: null }, { key: "c", value: null }]);
      assertEquals(await read(store), { a: 2 });
      await store.change([]);
      assertEquals(await read(store), { a: 2 });
    },
  },

  comparesVersions: {
    rule: "change applies all or none: only if each ifVersion holds",
    async check(fixture) {
      const store = fixture.open();
      const first = await store.change([{ key: "a", value: 1, ifVersion: 0 }]);
      assertEquals(first.applied, true);
      assertEquals((await store.change([{ key: "a", value: 2, ifVersion: 0 }])).applied, false);
      const version = await versionOf(store, "a");
      const half = [{ key: "b", value: 1 }, { key: "a", value: 2, ifVersion: version + 1 }];
      assertEquals((await store.change(half)).applied, false);
      assertEquals(await read(store), { a: 1 });
      assertEquals(
        (await store.change([{ key: "a", value: 2, ifVersion: version }])).applied,
        true,
      );
      assertEquals(
        (await store.change([{ key: "a", value: 3, ifVersion: version }])).applied,
        false,
      );
      const grown = await versionOf(store, "a");
      assert(grown > version);
      assertEquals(
        (await store.change([{ key: "a", value: null, ifVersion: grown }])).applied,
        true,
      );
      assertEquals((await store.change([{ key: "a", value: 4, ifVersion: grown }])).applied, false);
      await store.change([{ key: "a", value: 5, ifVersion: 0 }]);
      assert(await versionOf(store, "a") > grown, "a version was given twice");
      const versions: number[] = [];
      for (let value = 1; value <= 3; value++) {
        await store.change([{ key: "tick/a", value }]); // watchers do not hear of it
        versions.push(await versionOf(store, "tick/a"));
      }
      assert(versions[0]! < versions[1]! && versions[1]! < versions[2]!, versions.join());
    },
  },

  tellsFound: {
    rule: "change tells what stands in the entries that it compares",
    async check(fixture) {
      const store = fixture.open();
      await store.change([{ key: "tick/a", value: { tick: 1 } }, { key: "pause/b", value: 2 }]);
      const refused = await fixture.open().change([
        { key: "tick/a", value: 9, ifVersion: 0 },
        { key: "pause/b", value: 9, ifVersion: 0 },
        { key: "run/c", value: 9, ifVersion: 7 },
        { key: "other", value: 9 },
      ]);
      assertEquals(refused.applied, false);
      assertEquals(refused.found.map(({ key, value }) => [key, value]), [
        ["tick/a", { tick: 1 }],
        ["pause/b", 2],
        ["run/c", null],
      ]);
      const [{ version }] = refused.found as [ControlEntry];
      assertEquals(await versionOf(store, "tick/a"), version);
      const applied = await store.change([{ key: "tick/a", value: 2, ifVersion: version }]);
      const [now] = applied.found as [ControlEntry];
      assertEquals([applied.applied, now.value], [true, 2]);
      assertEquals(await versionOf(store, "tick/a"), now.version);
    },
  },

  waitsForTime: {
    rule: "change applies nothing before its notBefore, by the clock of the store",
    async check(fixture) {
      const store = fixture.open();
      const { now } = await store.change([]);
      const late = { key: "tick/a", value: 1, notBefore: now + 60_000 };
      const early = { key: "pause/b", value: 1, notBefore: now };
      assertEquals((await store.change([early, late])).applied, false);
      assertEquals(await read(store), {});
      assertEquals((await store.change([early])).applied, true);
      await fixture.clock.advance(60_000);
      assertEquals((await store.change([late])).applied, true);
      assertEquals(await read(store), { "pause/b": 1, "tick/a": 1 });
    },
  },

  oneWins: {
    rule: "of many that change an entry by its version at once, one wins",
    async check(fixture) {
      const stores = Array.from({ length: 4 }, () => fixture.open());
      for (let round = 0; round < 5; round++) {
        const ifVersion = await versionOf(stores[0]!, "tick/a");
        const attempts = Array.from(
          { length: 40 },
          (_, i) => stores[i % 4]!.change([{ key: "tick/a", value: i, ifVersion }]),
        );
        const outcomes = await Promise.all(attempts);
        const winners = outcomes.flatMap(({ applied }, i) => applied ? [i] : []);
        assertEquals(winners.length, 1);
        assertEquals(await read(stores[0]!), { "tick/a": winners[0]! });
      }
    },
  },

  expires: {
    rule: "an entry expires when its ttl is over, unless it was stored again since",
    async check(fixture) {
      const store = fixture.open();
      await store.change([
        { key: "short", value: 1, ttl: 1_000 },
        { key: "worker/1", value: 1, ttl: 1_000 },
        { key: "renewed", value: 1, ttl: 1_000 },
        { key: "kept", value: 1, ttl: 1_000 },
        { key: "long", value: 1, ttl: 86_400_000 },
      ]);
      await store.change([
        { key: "renewed", value: 2, ttl: 2_000 },
        { key: "kept", value: 2 },
      ]);
      await fixture.clock.advance(999);
      assertEquals(Object.keys(await read(store)).length, 5);
      await fixture.clock.advance(1);
      assertEquals(await read(store), { kept: 2, long: 1, renewed: 2 });
      assertEquals((await store.change([{ key: "short", value: 3, ifVersion: 0 }])).applied, true);
      await fixture.clock.advance(1_000);
      assertEquals(await read(store), { kept: 2, long: 1, short: 3 });
    },
  },

  tellsTime: {
    rule: "read and change tell the time of the store",
    async check(fixture) {
      const store = fixture.open();
      assertEquals((await store.read("")).now, fixture.clock.now());
      await fixture.clock.advance(12_345);
      assertEquals((await store.change([{ key: "a", value: 1 }])).now, fixture.clock.now());
      assertEquals(
        (await store.change([{ key: "a", value: 1, ifVersion: 0 }])).now,
        fixture.clock.now(),
      );
    },
  },

  refuses: {
    rule: "change refuses what is no entry, and changes nothing then",
    async check(fixture) {
      const store = fixture.open();
      const good = { key: "good", value: 1 };
      const refuse = async (change: object, error: ErrorConstructor, text: string) =>
        void await assertRejects(() => store.change([good, change as typeof good]), error, text);
      await refuse({ key: "", value: 1 }, TypeError, 'Cannot change control entry ""');
      await refuse({ value: 1 }, TypeError, "Cannot change control entry");
      await refuse({ key: "a", value: () => {} }, TypeError, "it is not a JSON value");
      await refuse({ key: "a" }, TypeError, "it is not a JSON value");
      await refuse({ key: "a", value: 1, ttl: 0 }, RangeError, "for 0 ms: it must be above 0");
      await refuse({ key: "a", value: 1, ttl: NaN }, RangeError, "for NaN ms");
      assertEquals(await read(store), {});
    },
  },

  closed: {
    rule: "a closed store refuses, and can be closed again",
    async check(fixture) {
      const store = fixture.open();
      await store.read("");
      await store.close();
      await store.close();
      await assertRejects(() => store.read(""), ConnectionClosed);
      await assertRejects(() => store.change([{ key: "a", value: 1 }]), ConnectionClosed);
    },
  },
};
