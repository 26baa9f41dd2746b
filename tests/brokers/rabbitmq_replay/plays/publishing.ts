import { Message, type MessageOptions } from "@dq/dramatiq";
import { get, type Play, play, type Plays } from "../play.ts";
import type { Stage } from "../stage.ts";

/** Sending, and what comes out of the queues. */
export const PUBLISHING: Readonly<Record<string, Plays>> = {
  "publish-confirm-off": publish,
  "publish-confirm-on": publish,

  "publish-without-max-priority": (stage) => [
    enqueue(stage, "broker_priority=5", { brokerPriority: 5 }),
    get("goldq"),
  ],

  "priority-order": (stage) => [
    play("order of args on delivery", async () => {
      for (const [i, brokerPriority] of [0, undefined, 5, 10, 200, 5].entries()) {
        const options = brokerPriority === undefined ? {} : { brokerPriority };
        await stage.enqueue({ args: [i], options });
      }
      const reader = stage.reader("goldq", 1);
      const order: unknown[] = [];
      for (let i = 0; i < 6; i++) {
        const message = await reader.next();
        order.push(message.args[0]);
        await reader.ack(message);
      }
      return order;
    }),
  ],

  "queue-vanishes-confirm-off": async (stage) => {
    await lose(stage, "goldq");
    return [play("enqueue", () => stage.enqueue({ args: [1] }))];
  },

  "queue-vanishes-confirm-on": async (stage) => {
    await lose(stage, "goldq");
    return [play("enqueue", () => stage.enqueue({ args: [1] })), get("goldq")];
  },

  "delay-queue-vanishes-confirm-on": async (stage) => {
    await lose(stage, "goldq.DQ");
    return [
      play("enqueue delay=1000", () => stage.enqueue({ args: [1], delay: 1_000 })),
    ];
  },
};

function publish(stage: Stage): Play[] {
  return [
    play("enqueue", () => stage.enqueue({ args: [1] })),
    get("goldq"),
    enqueue(stage, "broker_priority=5", { brokerPriority: 5 }),
    get("goldq"),
    enqueue(stage, "broker_priority=0", { brokerPriority: 0 }),
    get("goldq"),
    enqueue(stage, "broker_priority=200 (above max_priority)", { brokerPriority: 200 }),
    get("goldq"),
    enqueue(stage, "delay=5000", {}, 5_000),
    get("goldq.DQ"),
    enqueue(stage, "delay=0", {}, 0),
    get("goldq.DQ"),
    enqueue(stage, "delay=5000 broker_priority=7", { brokerPriority: 7 }, 5_000),
    get("goldq.DQ"),
    play("enqueue unicode", () => stage.enqueue({ args: ["zażółć 😀"] })),
    get("goldq"),
    enqueue(stage, "broker_priority='high'", { brokerPriority: "high" as never }),
  ];
}

function enqueue(stage: Stage, name: string, options: MessageOptions, delay?: number): Play {
  const delayed = delay === undefined ? {} : { delay };
  return play(`enqueue ${name}`, () => stage.enqueue({ args: [1], options, ...delayed }));
}

/** Deletes a queue behind the back of a broker that has sent to it. */
async function lose(stage: Stage, queueName: string): Promise<void> {
  await stage.broker.enqueue(new Message({ queueName: "goldq", actorName: "work", args: [] }));
  await stage.theatre.channel.purgeQueue("goldq");
  await stage.theatre.channel.deleteQueue(queueName);
}
