import { assert, assertEquals, assertRejects } from "@std/assert";
import { actor, BrokerConnectionError, Worker } from "@dq/dramatiq";
import { eventually, type FileServer, Stage } from "../stage.ts";

/** A RabbitMQ that takes nothing because its memory is short. */
export function blocking(file: FileServer): void {
  const { test, server } = file;

  const setMemory = (share: string) => server.ctl("set_vm_memory_high_watermark", share);

  test("RabbitmqBroker gives up to send when RabbitMQ blocks it too long, says so, and goes on later", async () => {
    await using stage = new Stage(file);
    const broker = stage.open({ blockedTimeout: 300 });
    const ran: string[] = [];
    const note = actor((text: string) => void ran.push(text), {
      ...{ broker, queueName: stage.queueName, actorName: "note" },
    });
    await note.send("before");
    try {
      await setMemory("0");
      for (const text of ["one", "two"]) {
        const { message } = await assertRejects(() => note.send(text), BrokerConnectionError);
        assert(/block/i.test(message), message);
        assert(message.includes("300 ms"), message);
      }
      // Those who only receive are not blocked: they make room.
      await using worker = new Worker(broker);
      await worker.start();
      await eventually("run what is there", () => ran.includes("before"));
      await worker.stop();
    } finally {
      await setMemory("0.4");
    }
    await note.send("after");
    await using worker = new Worker(broker);
    await worker.start();
    await eventually("run what was sent", () => ran.includes("after"));
    await worker.stop();
  });

  test("RabbitmqBroker.enqueue waits while RabbitMQ blocks it for a moment", async () => {
    await using stage = new Stage(file);
    const broker = stage.open();
    const note = actor((_n: number) => {}, {
      ...{ broker, queueName: stage.queueName, actorName: "note" },
    });
    await note.send(0);
    await setMemory("0");
    let isSent = false;
    const sending = note.send(1).finally(() => isSent = true);
    sending.catch(() => {}); // It is told below.
    await eventually("be blocked", async () => {
      const states = await file.console.evaluate(
        "[element(2, hd(rabbit_networking:connection_info(C, [state]))) || " +
          "C <- rabbit_networking:connections()].",
      ) as string[];
      return states.includes("blocked");
    });
    assertEquals(isSent, false);
    await setMemory("0.4");
    await sending;
    assertEquals((await stage.counts()).ready, 2);
  });
}
