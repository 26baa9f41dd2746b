import type { MessageProxy } from "@dq/dramatiq";
import { scenarioStep, type ScenarioSteps } from "../scenario_step.ts";
import { type Fixture, shown } from "../fixture.ts";

/** Delayed messages, through a worker. */
export const DELAYING: Readonly<Record<string, ScenarioSteps>> = {
  "delay": (fixture) => {
    const { worker } = fixture;
    fixture.declare("work", () => {});
    let taken: MessageProxy;
    return [
      scenarioStep("send_with_options delay=5000", async () => {
        await fixture.startWorker();
        return await fixture.enqueue({ args: [1], delay: 5_000 });
      }),
      scenarioStep("main queue consumer: next", () => fixture.findNone("goldq")),
      scenarioStep("delay queue consumer: receive", () => worker.open("goldq.DQ"), {
        isAwaited: true,
      }),
      scenarioStep("handle_delayed_messages 1 s early", () => {}),
      scenarioStep("handle_delayed_messages at eta", () => {}, { isAwaited: true }),
      scenarioStep(
        "main queue consumer: receive",
        async () => shown(taken = await worker.receive("goldq")),
      ),
      scenarioStep("process", () => worker.process(taken)),
    ];
  },

  "delay-order": (fixture) => {
    fixture.declare("work", () => {});
    const open = () => fixture.worker.open("goldq.DQ");
    return [
      scenarioStep("(four enqueued with delays 5000, 2000, 3000, 2000)", async (keys) => {
        await fixture.startWorker();
        await fixture.write(keys);
      }),
      scenarioStep("(all received)", open, { isAwaited: true }),
      scenarioStep("handle_delayed_messages at 2 s", () => {}, { isAwaited: true }),
      scenarioStep("handle_delayed_messages at 10 s", open, { isAwaited: true }),
    ];
  },

  "eta-odd": etaOdd,

  "delay-unknown-actor": (fixture) => [
    scenarioStep("delay queue: receive", async () => {
      await fixture.startWorker();
      await fixture.enqueue({ actorName: "nobody", args: [1], delay: 1_000 });
      fixture.worker.open("goldq.DQ");
    }, { isAwaited: true }),
    scenarioStep("handle_delayed_messages", () => {}, { isAwaited: true }),
    scenarioStep("main queue: receive", async () => shown(await fixture.worker.refuse("goldq"))),
  ],

  "unknown-actor": (fixture) => [
    scenarioStep("(enqueued)", async (keys) => {
      await fixture.startWorker();
      await fixture.write(keys);
    }),
    scenarioStep("receive", async () => shown(await fixture.worker.refuse("goldq"))),
  ],
};

function etaOdd(fixture: Fixture) {
  const { worker } = fixture;
  fixture.declare("work", () => {});
  const counts = async () => {
    const dump = await fixture.read();
    const etas = dump["dramatiq:goldq.DQ.etas"];
    return [worker.held, etas?.type === "zset" ? etas.value.length : 0];
  };
  return [
    scenarioStep("(five enqueued)", async (keys) => {
      await fixture.startWorker(5);
      await fixture.write(keys);
    }),
    scenarioStep("receive: eta on main queue", () => worker.open("goldq"), { isAwaited: true }),
    scenarioStep("receive: eta null", async () => shown(await worker.received())),
    scenarioStep("receive: eta text", async () => shown(await worker.received())),
    scenarioStep("receive: eta float", () => {}),
    scenarioStep("in the work queue / in the delay queue", counts),
    scenarioStep("receive: no eta on delay queue", () => worker.open("goldq.DQ"), {
      isAwaited: true,
    }),
    scenarioStep("work queue / delay queue", counts),
    scenarioStep("handle_delayed_messages at 1 s", () => fixture.findNone("goldq.DQ")),
    scenarioStep("handle_delayed_messages at 2 s", () => worker.open("goldq.DQ"), {
      isAwaited: true,
    }),
  ];
}
