import { play, type Plays } from "../play.ts";

/** Declaring queues, and counting what they hold. */
export const DECLARING: Readonly<Record<string, Plays>> = {
  "declare-lazy": (stage) => {
    const { broker } = stage;
    return [
      play("declare_queue", () => broker.declareQueue("goldq")),
      play("get_declared_queues", () => [...broker.queues]),
      play("get_declared_delay_queues", () => [...stage.delayQueues]),
      play("declare_queue ensure=True", () => stage.ensure()),
      play("declare_queue ensure=True again", () => stage.ensure()),
      play("declare_queue of the delay queue's name", () => broker.declareQueue("goldq.DQ")),
    ];
  },

  "declare-on-enqueue": (stage) => [
    play("enqueue", () => stage.enqueue({ args: [1] })),
    play("enqueue again", () => stage.enqueue({ args: [1] })),
    play("get_queue_message_counts", async () => {
      const { ready, delayed, dead } = await stage.broker.getQueueMessageCounts("goldq");
      return [ready, delayed, dead];
    }),
  ],

  "declare-max-priority-10": (stage) => [
    play("declare_queue ensure=True", () => stage.ensure()),
  ],

  "declare-max-priority-255": (stage) => [
    play("declare_queue ensure=True", () => stage.ensure()),
  ],

  "declare-conflict": async (stage) => {
    await stage.ensure("plain");
    return [
      play("enqueue on a broker with max_priority=10", () => stage.enqueue({ args: [1] }, "prio")),
    ];
  },

  "dead-message-ttl-env": (stage) => {
    const { worker } = stage;
    return [
      play("declare_queue ensure=True", () => stage.ensure()),
      play("(a message for an unknown actor is received: rejected)", async () => {
        await stage.enqueue({ actorName: "nobody", args: [1] });
        stage.broker.declareQueue("goldq");
        await worker.start(stage.broker);
        return stage.shown(await worker.refuse("goldq"));
      }),
      play("dead letter present"),
      play("2.5 s later"),
    ];
  },
};
