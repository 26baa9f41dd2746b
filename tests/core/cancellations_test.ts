import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Message } from "@dq/dramatiq";
import { Cancellations, toInterrupt } from "../../core/cancellations.ts";
import { test } from "../support/test.ts";

const message = new Message({ queueName: "q", actorName: "a", args: [], messageTimestamp: 1_000 });
const key = `cancel/id/${message.messageId}`;
const value = { reason: "why", grace: 0 };

test("Cancellations finds a message until its cancellation is taken back", () => {
  const cancellations = new Cancellations();
  assertEquals(cancellations.apply({ key, value, version: 5 }), true);
  assertEquals([cancellations.size, cancellations.find(message)?.reason], [1, "why"]);
  assertEquals(cancellations.apply({ key, value: null, version: 6 }), false);
  assertEquals([cancellations.size, cancellations.find(message)], [0, undefined]);
});

test("Cancellations does not find a message that was requeued after it was cancelled", () => {
  const cancellations = new Cancellations();
  cancellations.apply({ key, value, version: 5 });
  const requeued = (version: number) =>
    cancellations.find(message.copy({ options: { cancellationUndone: version } }));
  assertEquals([requeued(5), requeued(4)?.version], [undefined, 5]);
});

test("Cancellations finds what was made before, of the actor and on the queue that are named", () => {
  const found = (stored: object, other: object = {}) => {
    const cancellations = new Cancellations();
    cancellations.apply({ key: "cancel/where/1", value: { ...value, ...stored }, version: 1 });
    return cancellations.find(message.copy(other)) !== undefined;
  };
  assertEquals(found({ actor: "a", before: 1_001 }), true);
  assertEquals(found({ actor: "a", before: 1_000 }), false);
  assertEquals(found({ actor: "b", before: 1_001 }), false);
  assertEquals(found({ queue: "q", before: 1_001 }, { queueName: "q.DQ" }), true);
  assertEquals(found({ actor: "a", queue: "r", before: 1_001 }), false);
});

test("Cancellations make one reason for all messages that they drop, and each that runs gets its own", () => {
  const cancellations = new Cancellations();
  const value = { actor: "work", before: 2, reason: "why", grace: 0 };
  cancellations.apply({ key: "cancel/where/a", value, version: 1 });
  const [first, second] = [1, 0].map((messageTimestamp) =>
    cancellations.find(
      new Message({ queueName: "q", actorName: "work", args: [], messageTimestamp }),
    )!
  );
  const reason = cancellations.reasonOf(first!);
  assertEquals([reason.message, reason.keep], ["why", false]);
  assertStrictEquals(cancellations.reasonOf(second!), reason);
  assertNotStrictEquals(toInterrupt(first!), reason);
});
