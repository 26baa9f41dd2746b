import { assert, assertEquals, assertMatch } from "@std/assert";
import { actor, DecodeError, Message, StubBroker, Worker } from "@dq/dramatiq";
import { toJson } from "../../cli/log_line.ts";
import { errorMessage, errorType, formatTraceback, toThrown } from "../../platform/thrown.ts";
import { fromWire, toWire } from "../../worker/executors/thrown_on_wire.ts";
import { test } from "../support/test.ts";

/** Text that any error may become, at most. */
const LIMIT = 20_000;

class Endless extends Error {
  override get cause(): unknown {
    return new Endless("again");
  }
}

class EndlessAggregate extends AggregateError {
  override get cause(): unknown {
    return new EndlessAggregate([]);
  }
}
Object.defineProperty(EndlessAggregate.prototype, "errors", {
  get: () => Array.from({ length: 50 }, () => new EndlessAggregate([])),
});

const hugeName = new Error("x");
hugeName.name = "n".repeat(2 ** 24);
const oddName = new Error("x");
Object.defineProperty(oddName, "name", {
  value: {
    toString() {
      throw new Error("no name");
    },
  },
});
const hugeStack = new Error("x");
hugeStack.stack = `${"    at f (a.ts:1:1)\n".repeat(500_000)}`;

const ERRORS: Readonly<Record<string, unknown>> = {
  "an error with causes without end": new Endless("first"),
  "an aggregate of aggregates without end": new EndlessAggregate([]),
  "a message of 16 MB": new Error("m".repeat(2 ** 24)),
  "a text of 16 MB": "t".repeat(2 ** 24),
  "a name of 16 MB": hugeName,
  "a name that throws": oddName,
  "a stack of 500,000 lines": hugeStack,
};

for (const [what, thrown] of Object.entries(ERRORS)) {
  test(`An error becomes a text of bounded length: ${what}`, () => {
    for (const text of [errorMessage(thrown), errorType(thrown), formatTraceback(thrown)]) {
      assertEquals(typeof text, "string");
      assert(text.length <= LIMIT, `${text.length} characters`);
    }
    assert(JSON.stringify(toJson({ error: thrown })).length <= 3 * LIMIT);
    assert(toThrown(thrown, "It") !== undefined);
    assert(formatTraceback(fromWire(toWire(thrown))).length <= LIMIT);
  });

  test(`A message fails with its error, and the worker goes on: ${what}`, async () => {
    const broker = new StubBroker();
    actor(() => {
      throw thrown;
    }, { actorName: "fails", broker, maxRetries: 0 });
    let works = 0;
    actor(() => void works++, { actorName: "works", broker });
    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    for (const actorName of ["fails", "works"]) {
      const message = new Message({ queueName: "default", actorName, args: [], options: {} });
      await broker.enqueue(message);
    }
    await broker.join("default", { failFast: false });
    assertEquals(works, 1);
    const [dead] = broker.allDeadLetters;
    assert(dead!.deadLetter.encode().length < 3 * LIMIT);
  });
}

test("A thrown object becomes a text in bounded steps", () => {
  let calls = 0;
  class Endless {
    toJSON(): unknown {
      calls++;
      return { again: new Endless() };
    }
  }
  errorMessage(new Endless());
  assert(calls <= 2_500, `${calls} calls`);
  const items = Array.from({ length: 10_000 }, (_, i) => i);
  assertMatch(errorMessage({ status: 422, items }), /^\{"status":422,"items":\[0,1,2,/);
  assertEquals(errorMessage({ code: 5, at: [1, null] }), `{"code":5,"at":[1,null]}`);
});

test("A DecodeError names a few unknown fields, each shortened", () => {
  const huge = JSON.stringify({ ...fields(), ["f".repeat(2 ** 26)]: 1 });
  const many = JSON.stringify({
    ...fields(),
    ...Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`field${i}`, i])),
  });
  for (const data of [huge, many]) {
    let error: unknown;
    try {
      Message.decode(new TextEncoder().encode(data));
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof DecodeError);
    assertMatch(error.message, /^Cannot decode message: it has unknown fields: f/);
    assert(error.message.length < 2_000, `${error.message.length} characters`);
  }
});

test("A log line shows a bounded part of a property", () => {
  const wide = Array.from({ length: 10_000 }, (_, i) => i);
  const json = JSON.stringify(toJson({ wide, deep: [[[[[[[[1]]]]]]]], text: "x".repeat(2 ** 22) }));
  assert(json.length <= 2 * LIMIT, `${json.length} characters`);
});

function fields() {
  return {
    queue_name: "default",
    actor_name: "add",
    args: [],
    kwargs: {},
    options: {},
    message_id: "m",
    message_timestamp: 1,
  };
}
