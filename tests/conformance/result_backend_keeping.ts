import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  DecodeError,
  type Encoder,
  ResultFailure,
  ResultMissing,
  ResultTimeout,
} from "@dq/dramatiq";
import { until } from "../support/servers/until.ts";
import type { ResultRules } from "./result_backend.ts";

/** Milliseconds: longer than any test. */
export const LONG = 600_000;

/** A message that has a result or will have one. */
export function newMessage(queueName = "default") {
  return { queueName, actorName: "add", messageId: crypto.randomUUID() };
}

/** Whatever JSON can carry, and `undefined`, which counts as `null`. */
const VALUES: readonly unknown[] = [
  ...[0, 42, -1.5, 1e300, NaN, Infinity, true, false, null, undefined],
  ...["", "text", "za\u017c\u00f3\u0142\u0107 \u{1f600}", "\0\r\n", "x".repeat(200_000)],
  ...[[], [1, "a", null, [2]], {}, { b: 1, a: { c: [true] } }, { __t: "x" }],
];

/** Writes bytes that are no text. */
const reversing: Encoder = {
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)).map((byte) => 255 - byte),
  decode: (data) =>
    JSON.parse(new TextDecoder().decode((data as Uint8Array).map((byte) => 255 - byte))),
};

/** Rules for storing and reading results. */
export const keeping: ResultRules = {
  storedIsGot: {
    // Reference: ResultBackend
    rule: "getResult gives what was stored, as often as it is asked",
    async check(fixture) {
      const backend = fixture.open();
      for (const value of VALUES) {
        const message = newMessage();
        await backend.storeResult(message, value, LONG);
        for (let time = 0; time < 2; time++) {
          assertEquals(await backend.getResult(message), value ?? null);
          assertEquals(await backend.getResult(message, { block: true }), value ?? null);
          assertEquals(
            await backend.getResult(message, { block: true, timeout: 0 }),
            value ?? null,
          );
        }
      }
    },
  },

  markedIsRefused: {
    rule: "storeResult refuses a result that readers would take for a failure",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      const marked = { __t: "dramatiq.results.Result", exn: { type: "E", msg: "m" } };
      const error = await assertRejects(
        () => backend.storeResult(message, marked, LONG),
        TypeError,
        "Cannot store a result whose __t is",
      );
      assert(error.message.includes("failure"));
      await assertRejects(() => backend.getResult(message), ResultMissing);
      await backend.storeResult(message, [marked], LONG); // within something else it does no harm
      assertEquals(await backend.getResult(message), [marked]);
    },
  },

  laterWins: {
    // Reference: ResultBackend.store_result
    rule: "a result that is stored again takes the place of the one before",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      await backend.storeResult(message, 1, LONG);
      await backend.storeException(message, new Error("nope"), { ttl: LONG });
      await assertRejects(() => backend.getResult(message), ResultFailure);
      await backend.storeResult(message, [2], LONG);
      assertEquals(await backend.getResult(message), [2]);
    },
  },

  manyAtOnce: {
    rule: "results that are stored and asked for at once do not get mixed up",
    async check(fixture) {
      const backend = fixture.open();
      const messages = Array.from({ length: 1_200 }, () => newMessage());
      await Promise.all(messages.map((message, i) => {
        return i % 3 === 0 ? undefined : backend.storeResult(message, i, LONG);
      }));
      const results = await Promise.allSettled(messages.map((one) => backend.getResult(one)));
      results.forEach((result, i) => {
        if (result.status === "fulfilled") assertEquals(result.value, i);
        else assert(i % 3 === 0 && result.reason instanceof ResultMissing, String(result.reason));
      });
    },
  },

  missing: {
    // Reference: ResultMissing, ResultTimeout
    rule: "getResult throws ResultMissing for what is not there, ResultTimeout if it waits",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      await assertRejects(() => backend.getResult(message), ResultMissing, message.messageId);
      for (const timeout of [0, -1, 1, 50]) {
        const options = { block: true, timeout };
        await assertRejects(
          () => backend.getResult(message, options),
          ResultTimeout,
          "did not arrive",
        );
      }
    },
  },

  failures: {
    // Reference: ResultFailure
    rule: "getResult throws ResultFailure with name and message, never with a stack",
    async check(fixture) {
      const backend = fixture.open();
      const cases: [unknown, string, string][] = [
        [new TypeError("no number"), "TypeError", "no number"],
        [new Error(""), "Error", ""],
        ["a text", "string", "a text"],
        [undefined, "Exception", "unknown"],
      ];
      for (const [thrown, type, text] of cases) {
        const message = newMessage();
        await backend.storeException(message, thrown, { ttl: LONG });
        const failure = await assertRejects(() => backend.getResult(message), ResultFailure);
        assertEquals([failure.origExcType, failure.origExcMsg], [type, text]);
        assertEquals(failure.message, `actor raised ${type}: ${text}`);
        assertEquals([failure.origTraceback, failure.cause], [undefined, undefined]);
      }
      const message = newMessage();
      await backend.storeException(message, new Error("x"), { ttl: LONG, withTraceback: true });
      const failure = await assertRejects(() => backend.getResult(message), ResultFailure);
      assert(failure.origTraceback?.includes("Error: x"), failure.origTraceback);
    },
  },

  delayQueue: {
    rule: "the result of a message is found from its delay and dead letter queue, too",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage("later.DQ");
      await backend.storeResult(message, 1, LONG);
      for (const queueName of ["later", "later.DQ", "later.XQ"]) {
        assertEquals(await backend.getResult({ ...message, queueName }), 1);
      }
      await assertRejects(() => backend.getResult({ ...message, queueName: "x" }), ResultMissing);
    },
  },

  unencodable: {
    rule: "storeResult refuses what the encoder refuses, and stores nothing",
    async check(fixture) {
      const backend = fixture.open();
      const message = newMessage();
      for (const value of [new Set(), 1n, { deep: [() => {}] }]) {
        await assertRejects(() => backend.storeResult(message, value, LONG), TypeError);
      }
      await assertRejects(() => backend.getResult(message), ResultMissing);
    },
  },

  timeToLive: {
    rule: "a result is gone when its time to live is over, and not before",
    async check(fixture) {
      const backend = fixture.open();
      const [brief, long] = [newMessage(), newMessage()];
      await backend.storeResult(brief, 1, 1);
      await until(() => backend.getResult(brief).then(() => false, () => true), {
        what: "see a result go",
      });
      for (const ttl of [0, -5]) {
        await backend.storeResult(long, 1, LONG);
        await backend.storeResult(long, 1, ttl);
        await assertRejects(() => backend.getResult(long), ResultMissing);
      }
      for (const days of [30, 31, 365]) {
        await backend.storeResult(long, days, days * 86_400_000);
        assertEquals(await backend.getResult(long), days);
      }
    },
  },

  ownEncoder: {
    rule: "results are written by the encoder of the backend, which may write bytes",
    async check(fixture) {
      const backend = fixture.open({ encoder: reversing });
      const message = newMessage();
      await backend.storeResult(message, { text: "ż" }, LONG);
      assertEquals(await backend.getResult(message), { text: "ż" });
      await backend.storeException(message, new Error("nope"), { ttl: LONG });
      await assertRejects(() => backend.getResult(message), ResultFailure, "nope");
    },
  },

  namespaces: {
    rule: "keys differ by namespace, and are readable where that is asked for",
    async check(fixture) {
      const message = newMessage("queue.DQ");
      const backend = fixture.open({ useNamespacePrefixKeys: true });
      const { namespace } = fixture;
      assertEquals(backend.buildMessageKey(message), `${namespace}:queue:add:${message.messageId}`);
      await backend.storeResult(message, 1, LONG);
      assertEquals(await backend.getResult(message), 1);
      const other = fixture.open({ namespace: `${namespace}-2` });
      await assertRejects(() => other.getResult(message), ResultMissing);
      assert(/^[0-9a-f]{32}$/.test(other.buildMessageKey(message)));
    },
  },

  seenByOthers: {
    rule: "a result that one backend stores another one gets",
    async check(fixture) {
      const [one, two] = [fixture.open(), fixture.open()];
      const message = newMessage();
      await one.storeResult(message, [1], LONG);
      assertEquals(await two.getResult(message), [1]);
    },
  },

  undecodable: {
    rule: "getResult throws DecodeError for what is no result, and others are not touched",
    needs: "putRaw",
    async check(fixture) {
      const backend = fixture.open();
      for (const data of ["not json", '{"__t":"dramatiq.results.Result"}', new Uint8Array([255])]) {
        const [bad, good] = [newMessage(), newMessage()];
        await fixture.harness.putRaw!(backend.buildMessageKey(bad), data);
        await backend.storeResult(good, 1, LONG);
        const gotten = [bad, good].map((message) => backend.getResult(message, { block: true }));
        const [first, second] = await Promise.allSettled(gotten);
        assert(first!.status === "rejected" && first!.reason instanceof DecodeError);
        assertEquals(second, { status: "fulfilled", value: 1 });
      }
    },
  },
};
