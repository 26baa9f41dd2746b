import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { test } from "../support/test.ts";

const PROGRAM = fileURLToPath(new URL("print_default_broker.ts", import.meta.url));

/** Output of a program of `getBroker()`, with the variable set to a text. */
async function defaultBrokerWith(variable: string, url: string): Promise<string> {
  const run = runtime === "deno" ? ["run", "-A"] : [];
  const { stdout } = await promisify(execFile)(process.execPath, [...run, PROGRAM], {
    env: { ...process.env, [variable]: url },
  });
  return stdout.trim();
}

// Reference: get_broker
test("getBroker makes what DRAMATIQ_BROKER_URL says, else a RabbitmqBroker that does not connect yet", async () => {
  const cases: [string, string, string][] = [
    ["DRAMATIQ_BROKER_URL", "", "RabbitmqBroker"],
    ["DRAMATIQ_BROKER_URL", "stub:", "StubBroker"],
    ["DRAMATIQ_BROKER_URL", "sqlite:tasks.db", "SqliteBroker"],
    ["dramatiq_broker_url", "redis://127.0.0.1:1", "RedisBroker"],
    ["DRAMATIQ_BROKER_URL", "amqp://127.0.0.1:1;amqp://127.0.0.1:2", "RabbitmqBroker"],
    [
      "DRAMATIQ_BROKER_URL",
      "http://me:secret@localhost",
      "TypeError: Cannot use DRAMATIQ_BROKER_URL. Cannot create a broker from " +
      '"http://***@localhost": it must be a URL that starts with',
    ],
  ];
  await Promise.all(cases.map(async ([variable, url, expected]) => {
    assertEquals((await defaultBrokerWith(variable, url)).slice(0, expected.length), expected);
  }));
});
