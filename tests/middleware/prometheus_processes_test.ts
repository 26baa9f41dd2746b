import { createServer } from "node:net";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { freePort } from "../support/servers/free_port.ts";
import { until } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { readExposition } from "./prometheus/exposition_text.ts";
import { MetricsProcess, type MetricsSettings } from "./prometheus/metrics_process.ts";

const TOTAL = 'dramatiq_messages_total{actor_name="quick",queue_name="default"}';
const COUNT =
  'dramatiq_message_duration_milliseconds_count{actor_name="quick",queue_name="default"}';
const IN_PROGRESS = 'dramatiq_messages_inprogress{actor_name="endless",queue_name="default"}';

/** A folder of its own for metrics, and a port. */
class Fixture implements AsyncDisposable {
  readonly place: MetricsSettings;
  readonly #folder: string;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.place = { database: join(folder, "db"), lock: join(folder, "lock"), port };
  }

  static async make(): Promise<Fixture> {
    return new Fixture(await mkdtemp(join(tmpdir(), "dramatiq-")), await freePort());
  }

  /** Starts a process and waits until it has run its messages. */
  async start(messages: number): Promise<MetricsProcess> {
    const started = MetricsProcess.worker(messages, this.place);
    await started.printed("ready");
    return started;
  }

  /** Names of what is in the folder, member files by their ending. */
  async files(): Promise<string[]> {
    const names = await readdir(this.place.database);
    return names.map((name) => name.replace(/^\d+-[0-9a-f]{8}/, "*")).toSorted();
  }

  async samples(): Promise<ReadonlyMap<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.place.port}/metrics`);
    return readExposition(await response.text()).samples;
  }

  /** Waits until a sample has a value, and fails when it is ever less than `least`. */
  async reaches(key: string, value: number, least = -Infinity): Promise<void> {
    let low = Infinity;
    await until(async () => {
      const found = (await this.samples()).get(key) ?? 0;
      low = Math.min(low, found);
      return found === value;
    }, { what: `see ${value} for ${key}`, timeout: 30_000 });
    assert(low >= least, `${key} was ${low}, below ${least}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

test("Prometheus serves the sum of all processes, and goes on when some are killed", async () => {
  await using fixture = await Fixture.make();
  await using one = MetricsProcess.worker(1, fixture.place);
  await using two = MetricsProcess.worker(10, fixture.place);
  await using three = MetricsProcess.worker(100, fixture.place);
  const processes = [one, two, three];
  await Promise.all(processes.map((each) => each.printed("ready")));
  await fixture.reaches(TOTAL, 111);
  await fixture.reaches(IN_PROGRESS, 3);
  assertEquals(processes.filter((each) => each.isServing).length, 1);

  const serving = processes.find((each) => each.isServing)!;
  await serving.end("SIGKILL");
  // Another one takes over. What the dead one did stays, what it was doing does not.
  await fixture.reaches(IN_PROGRESS, 2);
  await fixture.reaches(TOTAL, 111, 111);
  assertEquals((await fixture.samples()).get(COUNT), 111);
  assertEquals(processes.filter((each) => each.isServing).length, 2);

  await using four = await fixture.start(1_000);
  await fixture.reaches(TOTAL, 1_111, 111);
  await fixture.reaches(IN_PROGRESS, 3);
  assertEquals(await fixture.files(), [
    ...Array(3).fill("*.json"),
    ...Array(3).fill("*.lock"),
    "door.lock",
    "retired.json",
    "serving.json",
  ]);

  for (const each of [...processes.filter((each) => each !== serving), four]) {
    await each.end("SIGKILL");
  }
  await using next = await fixture.start(7);
  await fixture.reaches(TOTAL, 7);
  assertEquals(await fixture.files(), ["*.json", "*.lock", "door.lock", "serving.json"]);
  assert(next.isServing);
});

// Reference: Middleware.after_process_boot
test("Prometheus serves the sum of the processes of a command line, one of them killed", async () => {
  await using fixture = await Fixture.make();
  await using started = MetricsProcess.commandLine(3, fixture.place);
  await fixture.reaches(TOTAL, 15);
  const servers = () =>
    started.lines.filter((line) => line.includes("Serving metrics on"))
      .map((line) => JSON.parse(line) as { pid: number });
  await until(() => Promise.resolve(servers().length === 1), { what: "find who serves" });
  process.kill(servers()[0]!.pid, "SIGKILL");
  await fixture.reaches(TOTAL, 20, 15); // five more of the replacement
  await until(() => Promise.resolve(servers().length === 2), { what: "find who serves then" });
  await started.end("SIGTERM");
});

test("Prometheus keeps what a process did that has stopped, without its gauges", async () => {
  await using fixture = await Fixture.make();
  await using staying = await fixture.start(1);
  await using leaving = await fixture.start(10);
  await fixture.reaches(IN_PROGRESS, 2);
  await leaving.end("SIGTERM");
  await fixture.reaches(IN_PROGRESS, 1);
  await fixture.reaches(TOTAL, 11, 11);
  assert(staying.isServing);
});

test("Prometheus says once that its port is taken, works on, and serves when it is free", async () => {
  await using fixture = await Fixture.make();
  const stranger = createServer().listen(fixture.place.port, "127.0.0.1");
  await once(stranger, "listening");
  await using started = await fixture.start(3);
  const { port } = fixture.place;
  const complaint = `error: Retrying to serve metrics on 127.0.0.1:${port}: ` +
    "another program listens there";
  await started.printed(complaint);
  stranger.close();
  await once(stranger, "close");
  await started.printed(`info: Serving metrics on http://127.0.0.1:${port}`);
  await fixture.reaches(TOTAL, 3);
  assertEquals(started.lines.filter((line) => line.startsWith("error:")), [complaint]);
});

test("Prometheus leaves out files that it cannot read", async () => {
  await using fixture = await Fixture.make();
  await using started = await fixture.start(3);
  await writeFile(join(fixture.place.database, "1-0123abcd.json"), "{");
  await writeFile(join(fixture.place.database, "2-0123abcd.json"), '[{"name": "c", "values": 1}]');
  await writeFile(join(fixture.place.database, "retired.json"), "null");
  await writeFile(join(fixture.place.database, "notes.txt"), "Not ours");
  await fixture.reaches(TOTAL, 3);
  const warnings = new Set(started.lines.filter((line) => line.startsWith("warning: Skipping")));
  assertEquals(warnings.size, 3);
});
