import { assertEquals, assertThrows } from "@std/assert";
import { actor, GenericActor, type GenericActorMeta, StubBroker, Worker } from "@dq/dramatiq";
import { test } from "../support/test.ts";

abstract class ImageActor extends GenericActor {
  static override meta: GenericActorMeta = {
    abstract: true,
    actorName: "never_inherited",
    queueName: "images",
    maxRetries: 7,
    priority: 3,
  };

  protected readonly suffix = ".png";
}

class Resize extends ImageActor {
  static override meta: GenericActorMeta = { maxRetries: 2 };
  static seen: string[] = [];

  perform(name: string, width: number): string {
    const path = `${name}${this.suffix}@${width}`;
    Resize.seen.push(path);
    return path;
  }
}

class Plain extends GenericActor {
  perform(): number {
    return 7;
  }
}

class WithoutOwnMeta extends Resize {}

// Reference: GenericActor.Meta
test("actor makes an actor of a class, named after it, with its meta over that of its bases", () => {
  const broker = new StubBroker();
  const resize = actor(Resize, { broker });
  assertEquals([resize.actorName, resize.queueName, resize.priority], ["Resize", "images", 3]);
  assertEquals(resize.options, { maxRetries: 2 });
  assertEquals(resize("a", 640), "a.png@640");
});

test("actor makes an actor of a class without meta of its own", () => {
  const broker = new StubBroker();
  const plain = actor(Plain, { broker });
  assertEquals([plain.actorName, plain.queueName, plain(), plain.options], [
    "Plain",
    "default",
    7,
    {},
  ]);
  const inherited = actor(WithoutOwnMeta, { broker });
  assertEquals([inherited.actorName, inherited.queueName], ["WithoutOwnMeta", "images"]);
  assertEquals(inherited.options, { maxRetries: 2 });
});

test("actor lets options win over the meta of a class", () => {
  const broker = new StubBroker();
  const named = actor(Resize, { broker, actorName: "resize", queueName: "other", maxRetries: 0 });
  assertEquals([named.actorName, named.queueName], ["resize", "other"]);
  assertEquals(named.options, { maxRetries: 0 });
});

test("actor refuses a class whose meta is abstract", () => {
  const broker = new StubBroker();
  const abstractClass = ImageActor as unknown as typeof Resize;
  assertThrows(() => actor(abstractClass, { broker }), TypeError, "its meta is abstract");
  const base = GenericActor as unknown as typeof Plain;
  assertThrows(() => actor(base, { broker }), TypeError);
});

test("actor refuses a class with its options in Meta, as in Python, instead of ignoring them", () => {
  class Shout extends GenericActor {
    static Meta: GenericActorMeta = { queueName: "loud" };
    perform() {}
  }
  const { message } = assertThrows(() => actor(Shout, { broker: new StubBroker() }), TypeError);
  assertEquals(
    message,
    "Cannot create an actor from Shout: its options are in Meta; name it meta",
  );
});

// Reference: GenericActor, GenericActor.perform
test("actor of a class runs perform on a worker, on one instance", async () => {
  const broker = new StubBroker();
  const resize = actor(Resize, { broker });
  Resize.seen = [];
  await using worker = new Worker(broker);
  await worker.start();
  await resize.send("a", 640);
  await resize.send("b", 320);
  await broker.join("images");
  assertEquals(Resize.seen, ["a.png@640", "b.png@320"]);
});
