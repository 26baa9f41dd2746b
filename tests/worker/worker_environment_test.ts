import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert, assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { test } from "../support/test.ts";

/** Starts workers under several environments, and prints what they did, in JSON. */
const ENVIRONMENT_SCRIPT = `
  import process from "node:process";
  import { actor, ConnectionClosed, StubBroker, Worker } from "@dq/dramatiq";

  async function startWorker(variables) {
    Object.assign(process.env, variables);
    const delays = [];
    const clock = {
      now: Date.now,
      setTimer: (callback, ms) => (delays.push(ms), setTimeout(callback, 0)),
      clearTimer: clearTimeout,
    };
    const broker = new StubBroker({ clock, middleware: [] });
    const prefetch = {};
    const restarted = Promise.withResolvers();
    const consume = broker.consume.bind(broker);
    broker.consume = (queueName, options) => {
      const consumer = consume(queueName, options);
      if (queueName === "q" && prefetch.q === undefined) {
        consumer.receive = () => Promise.reject(new ConnectionClosed("cut"));
      } else if (queueName === "q") {
        restarted.resolve();
      }
      prefetch[queueName] = options.prefetch;
      return consumer;
    };
    broker.declareQueue("q");
    const worker = new Worker(broker, { concurrency: 3, timeout: 0 });
    let error;
    try {
      await worker.start();
      await restarted.promise;
    } catch ({ name, message }) {
      error = { name, message };
    }
    const restartDelay = delays[0];
    await worker.stop();
    for (const name of Object.keys(variables)) delete process.env[name];
    return { prefetch, restartDelay, error };
  }

  const results = [];
  for (const variables of JSON.parse(process.env.TEST_ENVIRONMENTS)) {
    results.push(await startWorker(variables));
  }
  console.log(JSON.stringify(results));
`;

interface StartedWorker {
  readonly prefetch: Record<string, number>;
  readonly restartDelay?: number;
  readonly error?: { readonly name: string; readonly message: string };
}

/**
 * Runs workers in a process of their own: all tests that run side by side share one
 * environment.
 */
async function startWorkers(environments: Record<string, string>[]): Promise<StartedWorker[]> {
  const flags = {
    deno: ["eval"],
    bun: ["--eval"],
    node: ["--input-type=module", "--eval"],
  }[runtime];
  const own = Object.entries(process.env).filter(([name]) => !/^dramatiq_/i.test(name));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, ENVIRONMENT_SCRIPT],
    {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { ...Object.fromEntries(own), TEST_ENVIRONMENTS: JSON.stringify(environments) },
    },
  );
  return JSON.parse(stdout);
}

// Reference: dramatiq_restart_delay, dramatiq_queue_prefetch, dramatiq_delay_queue_prefetch
test("Worker reads its prefetch and restart delay from the environment when it starts", async () => {
  const [unset, set, zero, upper] = await startWorkers([
    {},
    {
      dramatiq_queue_prefetch: "7",
      dramatiq_delay_queue_prefetch: "9",
      dramatiq_restart_delay: "25",
    },
    { dramatiq_queue_prefetch: "0", dramatiq_delay_queue_prefetch: "0" },
    { DRAMATIQ_QUEUE_PREFETCH: "5", DRAMATIQ_RESTART_DELAY: "50" },
  ]);
  assertEquals(unset!.prefetch, { "q": 6, "q.DQ": 3_000 });
  assertEquals(unset!.restartDelay, 3_000);
  assertEquals(set!.prefetch, { "q": 7, "q.DQ": 9 });
  assertEquals(set!.restartDelay, 25);
  assertEquals(zero!.prefetch, { "q": 6, "q.DQ": 3_000 });
  assertEquals(upper!.prefetch, { "q": 5, "q.DQ": 3_000 });
  assertEquals(upper!.restartDelay, 50);
});

test("Worker.start refuses a prefetch that is no number, and names the variable", async () => {
  const names = ["dramatiq_queue_prefetch", "dramatiq_delay_queue_prefetch"];
  const values = ["many", "-1", "1.5", " "];
  const environments = names.flatMap((name) => values.map((value) => ({ [name]: value })));
  const workers = await startWorkers(environments);
  for (const [i, { error }] of workers.entries()) {
    const [[name, value]] = Object.entries(environments[i]!) as [[string, string]];
    assertEquals(error?.name, "RangeError", `${name}=${value}`);
    assert(error!.message.includes(name), error!.message);
    assert(error!.message.includes(`"${value}"`), error!.message);
  }
});

test("Worker survives a restart delay that is no number, or refuses to start and names it", async () => {
  const [{ error, restartDelay }] = await startWorkers([{ dramatiq_restart_delay: "soon" }]) as [
    StartedWorker,
  ];
  if (error === undefined) return assertEquals(restartDelay, 3_000);
  assertEquals(error.name, "RangeError");
  assert(error.message.includes("dramatiq_restart_delay"), error.message);
});
