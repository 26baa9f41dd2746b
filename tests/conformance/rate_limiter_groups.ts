import { assertEquals } from "@std/assert";
import { BrokerConnectionError, type RateLimiterBackend } from "@dq/dramatiq";
import type { ProxiedBackend, Rules } from "./rate_limiter_harness.ts";

const TTL = 60_000;

const countAll = async (backend: RateLimiterBackend, group: string, members: string[]) => {
  const progress: string[] = [];
  for (const member of members) progress.push(await backend.countMember(group, member, TTL));
  return progress;
};

/** More answers than it takes to count a member on any backend. */
const MOST_ANSWERS = 8;

/** Counts a member, from anew when that fails, while the connection is cut in an answer. */
async function countUnderCut(
  { backend, proxy }: ProxiedBackend,
  answers: number,
  group: string,
  member: string,
): Promise<string> {
  const count = () => backend.countMember(group, member, TTL);
  const reconnected = proxy.nextConnection();
  proxy.begin({ kind: "cut", answers });
  const counting = count().catch((error) => {
    if (!(error instanceof BrokerConnectionError)) throw error;
  });
  await Promise.race([counting, reconnected]);
  proxy.heal();
  return await counting ?? await count();
}

/** Rules of how members of groups are counted. */
export const groups: Rules = {
  members: {
    rule: "countMember is complete with the last member",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 3, TTL);
      const progress = await countAll(backend, key, ["a", "b", "c"]);
      assertEquals(progress, ["waiting", "waiting", "complete"]);
    },
  },

  membersTwice: {
    rule: "countMember counts a member once, however often and by whom it is said to be done",
    async check(fixture) {
      const { key } = fixture;
      const [backend, other] = [await fixture.open(), await fixture.open()];
      await backend.add(key, 2, TTL);
      const many = Array.from({ length: 40 }, (_, i) => i % 2 === 0 ? backend : other);
      const progress = await Promise.all(many.map((one) => one.countMember(key, "a", TTL)));
      assertEquals(new Set(progress), new Set(["waiting"]));
      assertEquals(await countAll(other, key, ["a", "b"]), ["waiting", "complete"]);
    },
  },

  membersAtOnce: {
    rule: "countMember is complete for exactly one of hundreds of members that end at once",
    async check(fixture) {
      const { key } = fixture;
      const backends = [await fixture.open(), await fixture.open(), await fixture.open()];
      await backends[0]!.add(key, 300, TTL);
      const progress = await Promise.all(
        Array.from({ length: 300 }, (_, i) => backends[i % 3]!.countMember(key, `m${i}`, TTL)),
      );
      assertEquals(progress.filter((one) => one === "complete").length, 1);
      assertEquals(progress.filter((one) => one === "waiting").length, 299);
    },
  },

  membersUnderCuts: {
    rule: "countMember counts a member once and completes the group, whatever answer is lost",
    needs: "openProxied",
    async check(fixture) {
      const proxied = await fixture.openProxied();
      const other = await fixture.open();
      for (let answers = 0; answers < MOST_ANSWERS; answers++) {
        const key = `${fixture.key}-${answers}`;
        await proxied.backend.add(key, 4, TTL);
        const waiting = [
          await other.countMember(key, "a", TTL),
          await countUnderCut(proxied, answers, key, "b"),
          await other.countMember(key, "c", TTL),
          await other.countMember(key, "b", TTL),
        ];
        assertEquals(new Set(waiting), new Set(["waiting"]), `cut after ${answers} answers`);
        let last = await countUnderCut(proxied, answers, key, "d");
        if (last === "claimed") { // it did not hear that the callbacks were left to it
          await fixture.harness.endClaim(key);
          last = await other.countMember(key, "d", TTL);
        }
        assertEquals(last, "complete", `cut after ${answers} answers`);
        assertEquals(await countAll(other, key, ["a", "b", "c"]), Array(3).fill("claimed"));
      }
    },
  },

  claim: {
    rule:
      "countMember gives the callbacks to one worker, and to another one if that one does not conclude",
    async check(fixture) {
      const { key, harness } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 2, TTL);
      assertEquals(await countAll(backend, key, ["a", "b"]), ["waiting", "complete"]);
      assertEquals(await countAll(backend, key, ["b", "a"]), ["claimed", "claimed"]);
      await harness.endClaim(key);
      assertEquals(await countAll(backend, key, ["b", "b"]), ["complete", "claimed"]);
    },
  },

  concluded: {
    rule: "countMember is concluded for all members once the callbacks are sent",
    async check(fixture) {
      const { key, harness } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 2, TTL);
      await countAll(backend, key, ["a", "b"]);
      await backend.concludeGroup(key, TTL);
      await harness.endClaim(key);
      assertEquals(await countAll(backend, key, ["a", "b"]), ["concluded", "concluded"]);
    },
  },

  missingGroup: {
    rule: "countMember is missing where the barrier was never made, or is forgotten",
    async check(fixture) {
      const { key, harness } = fixture;
      const backend = await fixture.open();
      assertEquals(await countAll(backend, key, ["a", "a"]), ["missing", "missing"]);
      await backend.add(key, 2, TTL);
      assertEquals(await countAll(backend, key, ["b"]), ["waiting"]);
      await harness.forget(key);
      assertEquals(await countAll(backend, key, ["b", "c"]), ["missing", "missing"]);
    },
  },

  pythonMembers: {
    rule:
      "countMember counts beside members that Python counts, and keeps those from clearing twice",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      const countAsPython = () => backend.decr(key, 1, 1, TTL); // false: it sends the callbacks
      await backend.add(key, 3, TTL);
      assertEquals(await countAsPython(), true);
      assertEquals(await countAll(backend, key, ["b", "c"]), ["waiting", "complete"]);
      await backend.concludeGroup(key, TTL);
      assertEquals(await countAsPython(), true);
      assertEquals(await countAsPython(), true);

      const second = `${key}-python-last`;
      await backend.add(second, 2, TTL);
      assertEquals(await countAll(backend, second, ["a"]), ["waiting"]);
      assertEquals(await backend.decr(second, 1, 1, TTL), false);
    },
  },

  oddMembers: {
    rule: "countMember tells members apart whatever their ids",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      const ids = [
        "",
        " ",
        "a b",
        "ż",
        "complete",
        "claim",
        "x".repeat(300),
        `${"x".repeat(300)}y`,
      ];
      await backend.add(key, ids.length + 1, TTL);
      const progress = await countAll(backend, key, [...ids, ...ids]);
      assertEquals(new Set(progress), new Set(["waiting"]));
      assertEquals(await countAll(backend, key, ["last"]), ["complete"]);
    },
  },
};
