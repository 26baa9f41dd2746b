import type { MessageProxy } from "@dq/dramatiq";
import { Buffer } from "node:buffer";
import { get, scenarioStep, type ScenarioSteps } from "../scenario_step.ts";

/** Consumers, and what becomes of what they took. */
export const CONSUMING: Readonly<Record<string, ScenarioSteps>> = {
  "consume-ack": async (fixture) => {
    for (const arg of [0, 1, 2]) await fixture.enqueue({ args: [arg] });
    const reader = fixture.reader("goldq", 2);
    const taken: MessageProxy[] = [];
    const next = async () => {
      taken.push(await reader.next());
      return fixture.shown(taken.at(-1)!);
    };
    return [
      scenarioStep("consume", () => "<_RabbitmqConsumer>"),
      scenarioStep("next(consumer)", next),
      scenarioStep("next(consumer)", next),
      scenarioStep("next(consumer) with prefetch used up", () => reader.findNone()),
      scenarioStep("ack", () => reader.ack(taken[0]!)),
      scenarioStep("next(consumer)", next),
      scenarioStep("ack again", () => reader.ack(taken[0]!)),
      scenarioStep("requeue", () => reader.consumer.requeue([])),
      scenarioStep("close", () => reader.consumer.close()),
      get("goldq"),
      get("goldq"),
    ];
  },

  "nack": async (fixture) => {
    await fixture.enqueue({ args: [1] });
    await fixture.enqueue({ args: [2], delay: 60_000 });
    return [
      scenarioStep("nack from goldq", async () => {
        const reader = fixture.reader("goldq", 1);
        await reader.nack(await reader.next());
      }),
      get("goldq.XQ"),
      scenarioStep("nack from goldq.DQ", async () => {
        await fixture.clock.advance(60_000); // sooner nobody gets it
        const reader = fixture.reader("goldq.DQ", 1);
        await reader.nack(await reader.next());
      }),
      get("goldq.XQ"),
    ];
  },

  "undecodable": async (fixture) => {
    await fixture.ensure();
    fixture.inspectedServer.channel.sendToQueue("goldq", Buffer.from("not json"), {
      persistent: true,
    });
    await fixture.rest();
    await fixture.enqueue({ args: ["good"] });
    const reader = fixture.reader("goldq", 2);
    return [
      scenarioStep("next(consumer)", async () => fixture.shown(await reader.next())),
      scenarioStep("next(consumer)", () => reader.findNone()),
      get("goldq.XQ"),
    ];
  },

  "consumed-queue-deleted": async (fixture) => {
    const reader = fixture.reader("goldq", 1);
    await reader.findNone();
    return [
      scenarioStep("next(consumer)", async () => {
        const next = reader.next();
        next.catch(() => {}); // It may fail before it is asked.
        await fixture.inspectedServer.channel.deleteQueue("goldq");
        return await next;
      }),
      scenarioStep("declared as pending again", async () => {
        fixture.begin();
        await fixture.ensure();
        const { amqp_calls = [] } = await fixture.observe({ amqp_calls: [] });
        fixture.begin();
        return amqp_calls.map(({ args }) => args!["queue"]).filter((name) => name === "goldq");
      }),
    ];
  },

  "flush": async (fixture) => {
    const reader = fixture.reader("goldq", 1);
    for (const arg of [0, 1, 2, 3]) await fixture.enqueue({ args: [arg] });
    await fixture.enqueue({ args: ["late"], delay: 60_000 });
    return [
      scenarioStep("(several in each state)", async () => {
        await reader.nack(await reader.next());
        await reader.next();
      }),
      scenarioStep("flush", () => fixture.broker.flush("goldq")),
      scenarioStep("flush of a queue that does not exist", () => fixture.broker.flush("goldother")),
    ];
  },
};
