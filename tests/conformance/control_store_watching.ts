import { assert, assertEquals } from "@std/assert";
import type { ControlEntry, ControlJson } from "@dq/dramatiq/control";
import { Mirror, type Rules } from "./control_store_harness.ts";

/** Rules of `watch`. The clock stands still, so that a store that needs time to notify fails. */
export const watching: Rules = {
  tellsChanges: {
    rule: "watch reports each entry with its prefix that another store changes or removes",
    async check(fixture) {
      const [store, other] = [fixture.open(), fixture.open()];
      await other.change([{ key: "pause/old", value: 1 }, { key: "pause/gone", value: 1 }]);
      using mirror = new Mirror(store, "pause/");
      await mirror.read();
      await other.change([{ key: "pause/new", value: { until: 5 } }, {
        key: "size/new",
        value: 1,
      }]);
      await mirror.becomes({ "pause/old": 1, "pause/gone": 1, "pause/new": { until: 5 } });
      await other.change([{ key: "pause/gone", value: null }, { key: "pause/old", value: 2 }]);
      await mirror.becomes({ "pause/old": 2, "pause/new": { until: 5 } });
    },
  },

  tellsOwn: {
    rule: "watch reports changes by the same store, to each watcher",
    async check(fixture) {
      const store = fixture.open();
      using first = new Mirror(store);
      using second = new Mirror(store, "b");
      await first.read();
      await store.change([{ key: "a", value: 1 }, { key: "b", value: 1 }]);
      await first.becomes({ a: 1, b: 1 });
      await second.becomes({ b: 1 });
    },
  },

  tellsAnew: {
    rule: "watch tells again after all watchers have left for a while",
    async check(fixture) {
      const [store, other] = [fixture.open(), fixture.open()];
      const first = new Mirror(store);
      await first.read();
      first[Symbol.dispose]();
      first[Symbol.dispose]();
      await other.change([{ key: "a", value: 1 }]);
      using second = new Mirror(store);
      await second.read();
      await other.change([{ key: "b", value: 1 }]);
      await second.becomes({ a: 1, b: 1 });
      assertEquals(first.entries.size, 0);
    },
  },

  tellsExpiry: {
    rule: "watch reports an expired entry, once any process uses the store",
    async check(fixture) {
      const [store, other] = [fixture.open(), fixture.open()];
      using mirror = new Mirror(store);
      await mirror.read();
      await other.change([{ key: "a", value: 1, ttl: 1_000 }, { key: "b", value: 1 }]);
      await mirror.becomes({ a: 1, b: 1 });
      await fixture.clock.advance(1_000);
      await other.read("");
      await mirror.becomes({ b: 1 });
    },
  },

  isSilentOnWorkers: {
    rule: "watch tells nothing of entries under worker/, specs/, tick/, run/, begun/ and claim/",
    async check(fixture) {
      const [store, other] = [fixture.open(), fixture.open()];
      const told: ControlEntry[] = [];
      using _watch = store.watch("", { changed: (entry) => told.push(entry), reset: () => {} });
      using mirror = new Mirror(store, "a");
      await mirror.read();
      await other.change([{ key: "worker/1", value: 1, ttl: 1_000 }]);
      await other.change(
        ["specs/1", "tick/1", "run/1", "begun/1", "claim/a/1"].map((key) => ({ key, value: 1 })),
      );
      await other.change([{ key: "worker/2", value: 1 }, { key: "a", value: 1 }]);
      await mirror.becomes({ a: 1 });
      await fixture.clock.advance(1_000);
      await other.change([{ key: "worker/2", value: null }, { key: "a", value: 2 }]);
      await mirror.becomes({ a: 2 });
      assertEquals(told.filter(({ key }) => key !== "a"), []);
    },
  },

  missesNothing: {
    rule: "watch misses nothing while several stores change entries all the time",
    async check(fixture) {
      const stores = Array.from({ length: 3 }, () => fixture.open());
      using mirror = new Mirror(fixture.open());
      await mirror.read();
      const hammer = async (store: typeof stores[0], who: number) => {
        for (let i = 0; i < 100; i++) {
          const key = `k/${(i * 7 + who) % 20}`;
          await store.change([{ key, value: i % 5 === 0 ? null : `${who}.${i}` }]);
        }
      };
      await Promise.all(stores.map(hammer));
      const { entries } = await stores[0]!.read("");
      await mirror.becomes(Object.fromEntries(entries.map(({ key, value }) => [key, value])));
    },
  },

  survivesFloods: {
    rule: "watch reports thousands of changes in one step, or has everything read again",
    async check(fixture) {
      const [store, other] = [fixture.open(), fixture.open()];
      using mirror = new Mirror(store);
      await mirror.read();
      const all = Array.from({ length: 3_000 }, (_, i) => [`k/${i}`, i] as [string, ControlJson]);
      await other.change(all.map(([key, value]) => ({ key, value })));
      await mirror.becomes(Object.fromEntries(all));
      await other.change(all.slice(10).map(([key]) => ({ key, value: null })));
      await mirror.becomes(Object.fromEntries(all.slice(0, 10)));
    },
  },

  survivesOutages: {
    rule: "watch reports changes that were made while the server could not be reached",
    needs: "openProxied",
    async check(fixture) {
      const { store, proxy } = await fixture.openProxied();
      const other = fixture.open();
      using mirror = new Mirror(store);
      await mirror.read();
      await other.change([{ key: "a", value: 1 }]);
      await mirror.becomes({ a: 1 });
      proxy.refuse();
      await proxy.cut();
      await other.change([{ key: "a", value: null }, { key: "b", value: 2 }]);
      await proxy.accept();
      await mirror.becomes({ b: 2 });
    },
  },

  survivesFlushes: {
    rule: "watch has everything read again after the server has forgotten it",
    needs: "flush",
    async check(fixture) {
      const [store, other] = [fixture.open(), fixture.open()];
      using mirror = new Mirror(store);
      await mirror.read();
      await other.change([{ key: "a", value: 1 }, { key: "b", value: 1 }]);
      await mirror.becomes({ a: 1, b: 1 });
      await fixture.harness.flush!();
      await other.change([{ key: "b", value: 2 }]);
      await mirror.becomes({ b: 2 });
      await fixture.harness.flush!();
      await mirror.becomes({});
      assert(mirror.reads > 1);
    },
  },
};
