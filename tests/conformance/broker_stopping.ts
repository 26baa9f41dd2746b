import { assert, assertEquals } from "@std/assert";
import { actor, currentMessage, Worker } from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import type { Rules } from "./broker_harness.ts";
import {
  countReceived,
  firstArgs,
  receiveCount,
  receiveOne,
  sendAll,
  work,
} from "./broker_messages.ts";

/** Rules of what a worker works on, and when it stops. */
export const stopping: Rules = {
  connect: {
    rule: "Broker.connect resolves while the server is there, and leaves the rest as it is",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.connect();
      await broker.connect();
      const queueName = fixture.newQueueName();
      const idle = actor(() => {}, { broker, queueName, actorName: "idle" });
      await idle.send();
      await using worker = new Worker(broker, { queues: [queueName] });
      await worker.start();
      await broker.join(queueName);
    },
  },

  queuesFilter: {
    rule: "Worker with queues leaves the messages of other queues alone, delayed ones too",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const other = fixture.newQueueName();
      const ran: string[] = [];
      const note = (text: string) => void ran.push(text);
      const mine = actor(note, { broker, queueName, actorName: "mine" });
      const foreign = actor(note, { broker, queueName: other, actorName: "foreign" });
      await foreign.send("foreign");
      await foreign.sendWithOptions({ args: ["foreign and delayed"], delay: 1 });
      await mine.sendWithOptions({ args: ["mine and delayed"], delay: 20 });
      await mine.send("mine");
      await using worker = new Worker(broker, { queues: [queueName] });
      await worker.start();
      await broker.join(queueName);
      assertEquals(ran, ["mine", "mine and delayed"]);
      await using consumer = broker.consume(other);
      assertEquals((await receiveOne(consumer)).args, ["foreign"]);
    },
  },

  queueDeclaredLater: {
    rule: "Worker works on queues that are declared while it runs, delayed messages too",
    async check(fixture) {
      const broker = await fixture.open();
      await using worker = new Worker(broker);
      await worker.start();
      const queueName = fixture.newQueueName();
      const ran: string[] = [];
      const late = actor((text: string) => void ran.push(text), {
        broker,
        queueName,
        actorName: "late",
      });
      await late.send("at once");
      await broker.join(queueName);
      await late.sendWithOptions({ args: ["delayed"], delay: 10 });
      await broker.join(queueName);
      assertEquals(ran, ["at once", "delayed"]);
    },
  },

  pause: {
    // Reference: Worker.pause, Worker.resume
    rule: "Worker runs nothing new while it is paused, and goes on when it resumes",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const other = fixture.newQueueName();
      let resumed = false;
      const ran: boolean[] = [];
      const paused = actor(() => void ran.push(resumed), {
        broker,
        queueName,
        actorName: "paused",
      });
      const busy = actor((_n: number) => {}, { broker, queueName: other, actorName: "busy" });
      await using worker = new Worker(broker, { queues: [queueName] });
      await using otherWorker = new Worker(broker, { queues: [other] });
      await worker.start();
      await otherWorker.start();
      await paused.send();
      await broker.join(queueName);
      worker.pause();
      await paused.send();
      await paused.sendWithOptions({ delay: 0 });
      // What others do meanwhile is time enough for a worker that does not pause.
      for (let n = 0; n < 20; n++) await busy.send(n);
      await broker.join(other);
      resumed = true;
      worker.resume();
      await broker.join(queueName);
      assertEquals(ran, [false, true, true]);
    },
  },

  pauseTakesNothing: {
    rule: "Worker.pause leaves to others what is sent later, though it has room for it",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: number[] = [];
      const note = actor((n: number) => void ran.push(n), {
        ...{ broker, queueName, actorName: "note" },
      });
      await using worker = new Worker(broker, { concurrency: 4 });
      await worker.start();
      await note.send(0);
      await broker.join(queueName);
      worker.pause();
      await note.sendMany([[1], [2], [3]]);
      {
        await using other = broker.consume(queueName, { prefetch: 10 });
        assertEquals(firstArgs(await receiveCount(other, 3)).toSorted(), [1, 2, 3]);
      }
      worker.resume();
      await broker.join(queueName);
      assertEquals(ran.toSorted(), [0, 1, 2, 3]);
    },
  },

  pauseGivesBack: {
    rule: "Worker.pause leaves to others what is sent later, and what it has not begun",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const release = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const ran: number[] = [];
      const slow = actor(async (n: number) => {
        begun.resolve();
        ran.push(n);
        await release.promise;
      }, { broker, queueName, actorName: "slow" });
      const received = countReceived(broker, queueName);
      await using worker = new Worker(broker, { concurrency: 1 });
      await slow.sendMany([[0], [1], [2]]);
      await worker.start();
      await begun.promise;
      await received(2);
      worker.pause();
      await slow.sendMany([[3], [4]]);
      {
        await using other = broker.consume(queueName, { prefetch: 10 });
        const messages = await receiveCount(other, 4);
        assertEquals(firstArgs(messages).toSorted(), [1, 2, 3, 4]);
      }
      release.resolve();
      worker.resume();
      await broker.join(queueName);
      assertEquals(ran.toSorted(), [0, 1, 2, 3, 4]);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  consumerPause: {
    rule:
      "Consumer.pause leaves what was not handed out to others, and receive goes on with the rest",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      await sendAll(broker, queueName, [0, 1, 2, 3, 4]);
      await using consumer = broker.consume(queueName, { prefetch: 5 });
      const messages = await receiveCount(consumer, 2);
      await consumer.pause();
      await sendAll(broker, queueName, [5]);
      {
        await using other = broker.consume(queueName, { prefetch: 10 });
        const rest = await receiveCount(other, 4);
        assertEquals(firstArgs(rest).toSorted(), [2, 3, 4, 5]);
        await other.ack(rest);
      }
      await consumer.ack(messages);
      await sendAll(broker, queueName, [6]);
      const next = await receiveOne(consumer);
      assertEquals(next.args, [6]);
      await consumer.ack([next]);
      await broker.join(queueName);
    },
  },

  gracefulStop: {
    // Reference: Worker.stop
    rule: "Worker.stop lets what runs finish and gives the rest back for others to run once",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const gate = Promise.withResolvers<void>();
      const twoRun = Promise.withResolvers<void>();
      const started: number[] = [];
      const finished: number[] = [];
      const slow = actor(async function slow(n: number) {
        started.push(n);
        if (started.length === 2) twoRun.resolve();
        await gate.promise;
        finished.push(n);
      }, { broker, queueName });
      const values = Array.from({ length: 20 }, (_, i) => i);
      await slow.sendMany(values.map((n): [number] => [n]));
      await using first = new Worker(broker, { concurrency: 2 });
      await first.start();
      await twoRun.promise;
      let stopped = false;
      const stopping = first.stop().then(() => stopped = true);
      assert(!stopped);
      gate.resolve();
      await stopping;
      assertEquals(started, [0, 1]);
      assertEquals(finished, [0, 1]);
      await using second = new Worker(broker, { concurrency: 2 });
      await second.start();
      await broker.join(queueName);
      assertEquals(started.toSorted((a, b) => a - b), values);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  stopTimeout: {
    rule: "Worker.stop gives back an actor that does not end in time, its retries unchanged",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const running = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const retries: unknown[] = [];
      const stuck = actor(async function stuck(_text: string) {
        retries.push(currentMessage()!.option("retries"));
        if (retries.length > 1) return;
        running.resolve();
        await release.promise;
        throw new Error("nobody listens any more");
      }, { broker, queueName });
      const sent = await stuck.send("unchanged");
      const first = new Worker(broker);
      await first.start();
      await running.promise;
      await first.stop(10);
      assertEquals(retries.length, 1);
      {
        await using consumer = broker.consume(queueName);
        const message = await receiveOne(consumer);
        assertEquals(message.messageId, sent.messageId);
        assertEquals(message.args, ["unchanged"]);
      }
      await using second = new Worker(broker);
      await second.start();
      await broker.join(queueName);
      release.resolve();
      await second.join();
      await broker.join(queueName);
      assertEquals(retries, [undefined, undefined]);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  stopMidway: {
    rule: "Worker.stop gives back what was fetched ahead, and each message runs once",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: number[] = [];
      let reached = () => {};
      const note = actor(async function note(n: number) {
        await nextTurn();
        ran.push(n);
        if (ran.length % 1_000 === 500) reached();
      }, { broker, queueName });
      const values = Array.from({ length: 4_000 }, (_, i) => i);
      await note.sendMany(values.map((n): [number] => [n]));
      while (ran.length < 2_000) {
        // The prefetch is twice that: large enough to be fetched by halves.
        await using worker = new Worker(broker, { concurrency: 64 });
        const midway = new Promise<void>((resolve) => reached = resolve);
        await worker.start();
        await midway;
      }
      await using worker = new Worker(broker, { concurrency: 64 });
      await worker.start();
      await broker.join(queueName);
      await worker.join();
      assertEquals(ran.toSorted((a, b) => a - b), values);
    },
  },

  stopIdle: {
    rule: "Worker.stop ends an idle worker: what comes later waits for the next one",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: string[] = [];
      let current = "first";
      actor(() => void ran.push(current), { broker, queueName, actorName: "work" });
      const first = new Worker(broker);
      await first.start();
      await broker.enqueue(work(queueName));
      await broker.join(queueName);
      await first.stop();
      await broker.enqueue(work(queueName));
      await broker.enqueue(work(queueName), { delay: 1 });
      current = "second";
      await using second = new Worker(broker);
      await second.start();
      await broker.join(queueName);
      assertEquals(ran, ["first", "second", "second"]);
    },
  },
};
