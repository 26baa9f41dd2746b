/**
 * Names of dramatiq's reference that cost nothing here.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  actor,
  AgeLimit,
  type Broker,
  type Encoded,
  Encoder,
  getEncoder,
  JSONEncoder,
  Message,
  type MessageProxy,
  Middleware,
  setEncoder,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

class Recorder extends Middleware {
  readonly calls: string[] = [];

  override beforeAck(_broker: Broker, message: MessageProxy): void {
    this.calls.push(`before ${message.actorName}`);
    super.afterAck?.(_broker, message);
  }

  override afterAck(_broker: Broker, message: MessageProxy): void {
    this.calls.push(`after ${message.actorName}`);
  }
}

test("Middleware can be extended, and a subclass has the hooks that it defines alone", async () => {
  const recorder = new Recorder();
  const broker = new StubBroker({ middleware: [recorder] });
  const hooks = Object.getOwnPropertyNames(Middleware.prototype);
  assertEquals([hooks, Object.keys(recorder)], [["constructor"], ["calls"]]);
  assertEquals([broker.hasHook("beforeAck"), broker.hasHook("beforeEnqueue")], [true, false]);
  const greet = actor(() => {}, { actorName: "greet", broker });
  await using worker = new Worker(broker);
  await worker.start();
  await greet.send();
  await broker.join("default");
  await worker.stop();
  assertEquals(recorder.calls, ["before greet", "after greet"]);
});

class Reversing extends Encoder {
  override encode(value: unknown): Encoded {
    return [...new JSONEncoder().encode(value)].toReversed().join("");
  }

  override decode(data: Encoded): unknown {
    return new JSONEncoder().decode([...String(data)].toReversed().join(""));
  }
}

// Reference: Encoder
test("Encoder can be extended", () => {
  const previous = getEncoder();
  setEncoder(new Reversing());
  try {
    const message = new Message({ queueName: "default", actorName: "greet", args: ["Ada"] });
    assertEquals(String(message.encode()).startsWith("}"), true);
    assertEquals(Message.decode(message.encode()).args, ["Ada"]);
  } finally {
    setEncoder(previous);
  }
});

// Reference: Broker.get_declared_actors, Broker.get_declared_queues
// Reference: Broker.get_declared_delay_queues
test("Broker.getDeclaredActors, Queues and DelayQueues give copies of the names", () => {
  const broker = new StubBroker();
  actor(() => {}, { actorName: "greet", queueName: "mails", broker });
  broker.declareQueue("default");
  assertEquals(broker.getDeclaredActors(), new Set(["greet"]));
  assertEquals(broker.getDeclaredQueues(), new Set(["mails", "default"]));
  assertEquals(broker.getDeclaredDelayQueues(), new Set(["mails.DQ", "default.DQ"]));
  broker.getDeclaredActors().clear();
  broker.getDeclaredQueues().clear();
  assertEquals([broker.actors.size, broker.queues.size], [1, 2]);
});

// Reference: Broker.emit_before, Broker.emit_after
test("Broker.emitBefore and emitAfter call the hooks that emit calls", () => {
  const calls: unknown[][] = [];
  const note = (...args: unknown[]) => void calls.push(args.slice(1));
  const broker = new StubBroker({ middleware: [{ beforeEnqueue: note, afterEnqueue: note }] });
  const message = new Message({ queueName: "default", actorName: "greet", args: [] });
  broker.emitBefore("enqueue", message, 5);
  broker.emitAfter("enqueue", message, undefined);
  assertEquals(calls, [[message, 5], [message, undefined]]);
  // @ts-expect-error -- no such hook
  const strange = () => broker.emitBefore("lunch");
  assertThrows(strange, TypeError, "Cannot call hook beforeLunch: the hooks are beforeAck");
  // @ts-expect-error -- there is a hook before this alone
  assertThrows(() => broker.emitAfter("workerThreadShutdown"), TypeError);
});

test("Broker warns of hooks in Python's spelling, and names the one that is called", async () => {
  class Legacy extends Middleware {
    before_ack() {}
    actor_options() {}
  }
  const lines = await linesOf({ category: ["dramatiq"], lowestLevel: "warning" }, () => {
    new StubBroker({ middleware: [new AgeLimit()] }).addMiddleware(new Legacy());
  });
  assertEquals(lines.map((line) => textOf(line).replaceAll('"', "")), [
    "Legacy has before_ack, which is never called: name it beforeAck",
    "Legacy has actor_options, which is never called: name it actorOptions",
  ]);
});

test("actor names the counterpart of an option in Python's spelling", () => {
  const broker = new StubBroker();
  const options = { broker, actorName: "greet", queue_name: "mails", max_retries: 3, frob: 1 };
  const { message } = assertThrows(() => actor(() => {}, options as never), TypeError);
  const start = 'Cannot declare actor "greet": no middleware of this broker knows its options ' +
    "queue_name (here: queueName), max_retries (here: maxRetries), frob; known are ";
  assertEquals(message.slice(0, start.length), start);
});

test("Broker.addMiddleware refuses what is no middleware, and stays as it was", async () => {
  const broker = new StubBroker({ middleware: [] });
  const cases: [given: unknown, message: string][] = [
    [undefined, "Cannot add middleware undefined: it must be an object with hooks"],
    [null, "Cannot add middleware null: it must be an object with hooks"],
    ["AgeLimit", "Cannot add middleware AgeLimit: it must be an object with hooks"],
    [AgeLimit, "Cannot add middleware AgeLimit: it is a class; add new AgeLimit()"],
    [[], "Cannot add middleware: it is an array; add one at a time"],
    [{ beforeAck: 1 }, "Cannot add middleware Object: its beforeAck is not a function"],
    [{ actorOptions: 5 }, "Cannot add middleware Object: its actorOptions is not an array"],
    [{ forks: 5 }, "Cannot add middleware Object: its forks is not an array"],
  ];
  for (const [given, message] of cases) {
    const add = () => broker.addMiddleware(given as Middleware);
    assertEquals(assertThrows(add, TypeError).message, message);
    const make = () => new StubBroker({ middleware: [given as Middleware] });
    assertEquals(assertThrows(make, TypeError).message, message);
  }
  const place = { before: new AgeLimit() as unknown as typeof AgeLimit };
  assertThrows(() => broker.addMiddleware(new AgeLimit(), place), TypeError, "name a class");
  const trap = {
    get actorOptions(): string[] {
      throw new Error("trap");
    },
  };
  assertThrows(() => broker.addMiddleware(trap), Error, "trap");
  const notArray = new AgeLimit() as unknown as Middleware[];
  assertThrows(() => new StubBroker({ middleware: notArray }), TypeError, "it must be an array");
  assertEquals(broker.middleware, []);
  const greet = actor(() => {}, { actorName: "greet", broker });
  await greet.send();
});
