import { chmod, readFile, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import process from "node:process";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { test } from "../support/test.ts";
import { eventually, Fixture, kill } from "./fixture.ts";

/** A worker whose import waits for a file, and whose actor waits for another one. */
const GATED = `import { existsSync } from "node:fs";
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
const broker = new StubBroker();
setBroker(broker);
const until = async (name) => {
  while (!existsSync(import.meta.dirname + "/" + name)) await new Promise((done) => setTimeout(done, 10));
};
const slow = actor(async function slow() { note("started"); await until("finish"); });
await slow.send();
await until("begin");
`;

/** Stands in for the command of systemd: notes what it is told. */
const NOTIFY = `#!/bin/sh
echo "$NOTIFY_SOCKET $@" >> "$(dirname "$0")/told"
`;

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}

test("--http serves the health of a worker from its start to its end, and systemd is notified of it", async () => {
  await using fixture = await Fixture.open({ "gated.ts": GATED, "systemd-notify": NOTIFY });
  await chmod(join(fixture.folder, "systemd-notify"), 0o755);
  const told = async () => {
    const text = await readFile(join(fixture.folder, "told"), "utf8").catch(() => "");
    return text.split("\n").slice(0, -1);
  };
  const env = {
    PATH: `${fixture.folder}:${process.env["PATH"]}`,
    NOTIFY_SOCKET: "/run/of/a/test",
    WATCHDOG_USEC: "600000",
  };
  const program = fixture.start(["gated.ts", "-t", "0", "--http", "127.0.0.1:0"], { env });
  await program.printed(/Serving health checks on http:\/\/127.0.0.1:\d+/);
  const url = /http:\/\/127.0.0.1:\d+/.exec(program.output)![0];
  assertEquals(await statusOf(`${url}/livez`), 200);
  assertEquals(await statusOf(`${url}/readyz`), 503, "it has not begun");

  await writeFile(join(fixture.folder, "begin"), "");
  await program.working();
  assertEquals(await statusOf(`${url}/readyz`), 200);
  await fixture.noted("started");
  program.signal("SIGUSR2"); // its answer is a fresh status, too
  await eventually("see the message run", async () => {
    const { workers: [worker] } = await (await fetch(`${url}/readyz?verbose`)).json();
    return worker.inFlight === 1 && worker.slots === 8 && worker.state === "working";
  });
  assertStringIncludes(await (await fetch(`${url}/metrics`)).text(), "dramatiq_broker_up 1\n");
  await eventually("feed the watchdog", async () => (await told()).join().includes("WATCHDOG=1"));

  const { port } = new URL(url);
  const second = fixture.start(["gated.ts", "-t", "0", "--http", `127.0.0.1:${port}`]);
  assertEquals(await second.ended, 2);
  assertMatch(
    second.output,
    /Cannot serve health checks on 127.0.0.1:\d+: another program listens/,
  );

  const mute = connect(Number(port), "127.0.0.1"); // it asks nothing, and keeps nobody
  mute.on("error", () => {});
  await once(mute, "connect");
  program.signal("SIGTERM");
  await program.printed("Stopping after SIGTERM");
  assertEquals(await statusOf(`${url}/readyz`), 503, "at once");
  assertEquals(await statusOf(`${url}/livez`), 200, "an actor runs");
  await writeFile(join(fixture.folder, "finish"), "");
  assertEquals(await program.ended, 0);
  mute.destroy();

  const notified = await told();
  assert(
    notified.every((line) => line.startsWith(`/run/of/a/test --pid=${program.pid} `)),
    `${notified}`,
  );
  const states = notified.map((line) => line.split(" ").at(-1)!).filter((one) =>
    /^(READY|STOPPING)=1$/.test(one)
  );
  assertEquals(states, ["READY=1", "STOPPING=1"]);
});

test("A worker process whose event loop is blocked fails /livez after --live-timeout", async () => {
  await using fixture = await Fixture.open({ "gated.ts": GATED, begin: "", finish: "" });
  const program = fixture.start(
    ["gated.ts", "-t", "0", "--http", "127.0.0.1:0", "--live-timeout", "6500"],
  );
  await program.working();
  const url = /http:\/\/127.0.0.1:\d+/.exec(program.output)![0];
  const [worker] = program.workers;
  process.kill(worker!, "SIGSTOP");
  await eventually("fail /livez", async () => {
    await pause(200);
    return await statusOf(`${url}/livez`) === 503;
  });
  const text = await (await fetch(`${url}/livez`)).text();
  assertMatch(text, /^failing: worker-1 has been silent for \d+.\d s/);
  kill(worker!);
  await program.working(2); // another one starts
  await eventually("hold again", async () => await statusOf(`${url}/readyz`) === 200);
  assertEquals(await statusOf(`${url}/livez`), 200);
});
