import { assertEquals } from "@std/assert";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import { EventLists } from "../../rate_limits/backends/event_lists.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

/** Lists of a Redis that says what the test wants it to, and how often each was looked at. */
function ready() {
  const looks = new Map<string, number>();
  const answers = new Map<string, Promise<number>>();
  const connection = {
    command(_purpose: string, _name: string, list: string): Promise<number> {
      looks.set(list, (looks.get(list) ?? 0) + 1);
      return answers.get(list) ?? Promise.resolve(0);
    },
  };
  return { looks, answers, lists: new EventLists(connection as RedisConnection, undefined) };
}

test("EventLists looks at a list once at a time, however long the answer takes", async () => {
  const { looks, answers, lists } = ready();
  const answer = Promise.withResolvers<number>();
  answers.set("slow", answer.promise);
  const slow = lists.wait("slow", Infinity);
  const watcher = lists.wait("watched", Infinity);
  await eventually("look again and again", () => looks.get("watched")! > 3);
  assertEquals(looks.get("slow"), 1);
  answer.resolve(1);
  answers.set("watched", Promise.resolve(1));
  assertEquals([await slow, await watcher], [true, true]);
});

test("EventLists reads nothing when there are no waiters", async () => {
  const { looks, lists } = ready();
  const { lists: others, looks: othersLooks, answers } = ready();
  const stop = new AbortController();
  const left = lists.wait("left", Infinity, stop.signal).catch(() => {});
  await eventually("look twice", () => looks.get("left")! > 1);
  stop.abort();
  await left;
  const before = looks.get("left");
  const watcher = others.wait("watched", Infinity);
  await eventually("see another one look twice", () => othersLooks.get("watched")! > 3);
  assertEquals(looks.get("left"), before);
  answers.set("watched", Promise.resolve(1));
  await watcher;
});
