import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { type Arguments, parseArguments } from "../../cli/arguments.ts";
import { HealthMonitor, type MonitoredChild } from "../../cli/health/monitor.ts";
import { HealthServer } from "../../cli/health/server.ts";
import { SystemdNotifier } from "../../cli/health/systemd.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { answerHealth, whyNotReady } from "../../worker/health.ts";
import type { Health } from "../../worker/health_report.ts";
import { freePort } from "../support/servers/free_port.ts";
import { test } from "../support/test.ts";
import { parseYaml } from "../support/yaml.ts";
import { ROOT } from "./fixture.ts";

const STATUS = {
  uptime: 1_000,
  inFlight: 2,
  done: 10,
  failed: 1,
  retried: 1,
  state: "working",
  slots: 8,
  brokerSilentFor: 0,
} as const;

type Status =
  | typeof STATUS
  | (Omit<typeof STATUS, "brokerSilentFor"> & { brokerSilentFor: number });

/** A worker process that was heard from so many milliseconds ago. */
function child(
  silentFor: number,
  parts: Partial<MonitoredChild> = {},
  status: Status = STATUS,
): MonitoredChild {
  const at = performance.now() - silentFor;
  return {
    name: "worker-1",
    pid: 4711,
    isReady: true,
    isStopping: false,
    heardAt: at,
    lastStatus: { status, at },
    status: () => Promise.resolve(),
    ...parts,
  };
}

function healthOf(children: readonly MonitoredChild[], isStopping = false): Health {
  return new HealthMonitor({
    children: () => children,
    isStopping: () => isStopping,
    liveTimeout: 120_000,
  }).health;
}

test("/livez fails once all worker processes have been silent, and not for any other reason", () => {
  const isLive = (...args: Parameters<typeof healthOf>) => healthOf(...args).dead.length === 0;
  assertEquals(isLive([child(130_000)]), false);
  assertEquals(isLive([child(130_000), child(130_000)]), false);
  assertEquals(isLive([child(119_000)]), true);
  assertEquals(isLive([child(130_000), child(5_000)]), true);
  assertEquals(isLive([child(130_000)], true), true, "stopping");
  assertEquals(isLive([child(130_000, { isStopping: true })]), true, "it finishes");
  assertEquals(isLive([]), true, "another one starts in a moment");
  const away = { ...STATUS, brokerSilentFor: 500_000 };
  assertEquals(isLive([child(0, {}, away)]), true, "the broker");
  assertEquals(isLive([child(0, { isReady: false, lastStatus: undefined })]), true, "starting");
  assertEquals(isLive([child(130_000, { isReady: false, lastStatus: undefined })]), false);
});

test("/readyz holds while one worker process works and hears from the broker", () => {
  const reasons = (...args: Parameters<typeof healthOf>) => whyNotReady(healthOf(...args));
  assertEquals(reasons([child(0)]), []);
  assertEquals(reasons([child(4_000, { lastStatus: undefined })]), [], "no status yet");
  assertEquals(reasons([child(0)], true), ["stopping"]);
  assertEquals(reasons([]), ["no worker process is running"]);
  assertEquals(reasons([child(11_000)]), ["worker-1 has not answered for 11 s"]);
  assertEquals(reasons([child(0, { isReady: false })]), ["worker-1 is starting"]);
  assertEquals(reasons([child(0, { isStopping: true })]), ["worker-1 is stopping"]);
  const away = (brokerSilentFor: number) => ({ ...STATUS, brokerSilentFor });
  assertEquals(reasons([child(0, {}, away(9_000))]), []);
  const silent = child(2_000, {}, away(9_000)); // it has been longer by now
  assertEquals(reasons([silent]), ["worker-1 has not heard from its broker for 11 s"]);
  const quiet = child(0, {}, { ...STATUS, state: "quiet" } as unknown as Status);
  assertEquals(reasons([quiet]), ["worker-1 is quiet"]);
  assertEquals(reasons([quiet, silent, child(0)]), []);
});

test("HealthMonitor.poll asks the worker processes that work, and no other", () => {
  const asked: string[] = [];
  const named = (name: string, isReady: boolean) =>
    child(0, { name, isReady, status: () => Promise.resolve(void asked.push(name)) });
  new HealthMonitor({
    // One that has not installed its handler would die of the signal.
    children: () => [named("worker-1", true), named("worker-2", false)],
    isStopping: () => false,
    liveTimeout: 1,
  }).poll();
  assertEquals(asked, ["worker-1"]);
});

test("Health checks answer GET and HEAD, in text, JSON and the format of Prometheus", () => {
  const oldest = { messageId: "m", actor: 'a"b\n', queue: "q", runningFor: 41_000 };
  const health = healthOf([child(0, {}, { ...STATUS, oldest } as Status)]);
  const get = (path: string, method = "GET") => answerHealth(method, path, () => health);
  assertEquals([get("/livez").status, get("/livez").body], [200, "ok\n"]);
  assertEquals(get("/health/readyz").status, 200);
  assertEquals(get("/readyz").headers["cache-control"], "no-store");
  const verbose = JSON.parse(get("/readyz?verbose").body);
  assertEquals([verbose.schema, verbose.status, verbose.workers[0].slots], [1, "ok", 8]);
  assertEquals([get("/").status, get("/readyzz").status], [404, 404]);
  assertEquals([get("/livez", "POST").status, get("/livez", "HEAD").status], [405, 200]);
  const metrics = get("/metrics").body;
  for (
    const line of [
      "dramatiq_broker_up 1",
      'dramatiq_workers{state="working"} 1',
      'dramatiq_workers{state="quiet"} 0',
      "dramatiq_worker_slots 8",
      "dramatiq_worker_slots_in_use 2",
      'dramatiq_running_oldest_seconds{actor_name="a\\"b\\n"} 41',
    ]
  ) assertEquals(metrics.includes(`${line}\n`), true, `${line} in ${metrics}`);
  const stopping = answerHealth("GET", "/readyz", () => healthOf([child(0)], true));
  assertEquals([stopping.status, stopping.body], [503, "failing: stopping\n"]);
  const none = answerHealth("GET", "/metrics", () => healthOf([]));
  assertEquals(none.body.includes("dramatiq_broker_up"), false, "nobody has asked it");
});

test("--http takes HOST:PORT, and refuses other values", () => {
  const parse = (text: string) => (parseArguments(["a.ts", "--http", text]) as Arguments).http;
  assertEquals(parse("127.0.0.1:9192"), { host: "127.0.0.1", port: 9192 });
  assertEquals(parse("[::1]:0"), { host: "::1", port: 0 });
  assertEquals(parse("localhost:65535"), { host: "localhost", port: 65_535 });
  const wrong = [
    "9192",
    ":9192",
    "::1:9192",
    "localhost",
    "localhost:",
    "a:65536",
    "a:-1",
    "a:1e3",
  ];
  for (const text of [...wrong, "http://a:1", "a b:1", "[::1]", "[]:1", ""]) {
    assertThrows(() => parse(text), UsageError, `Cannot use "${text}" for --http: it must be HOST`);
  }
  assertThrows(() => parseArguments(["a.ts", "--live-timeout", "0"]), UsageError, "1 or more");
});

test("HealthServer says why it cannot listen", async () => {
  const read = () => healthOf([]);
  // Not port 0: connections of other tests may be given that port once the server is closed.
  const first = await HealthServer.open({ host: "127.0.0.1", port: await freePort() }, read);
  const used = `127.0.0.1:${first.address.port}`;
  const refused = await assertRejects(() => HealthServer.open(first.address, read), UsageError);
  const reason = "another program listens there (EADDRINUSE)";
  assertEquals(refused.message, `Cannot serve health checks on ${used}: ${reason}`);
  first.close();
  const again = await HealthServer.open(first.address, read);
  again.close();
  const elsewhere = { host: "203.0.113.7", port: 9_192 }; // RFC 5737: no machine has it
  const other = await assertRejects(() => HealthServer.open(elsewhere, read), UsageError);
  assertMatch(other.message, /^Cannot serve health checks on 203.0.113.7:9192: ./);
});

test("SystemdNotifier says once that its command is missing, or fails", async () => {
  for (const [command, reason] of [["no-such-command", /no such command/], ["false", /code 1$/]]) {
    const told: unknown[] = [];
    const log = (level: string, _text: string, { reason }: Record<string, unknown>) =>
      void told.push([level, reason]);
    const notifier = new SystemdNotifier("/run/of/a/test", log, command as string);
    notifier.notify("READY=1");
    notifier.notify("STOPPING=1");
    await notifier.flushed();
    assertEquals(told.length, 1, String(told));
    const [[level, said]] = told as [[string, string]];
    assertEquals(level, "warning");
    assertMatch(said, reason as RegExp);
  }
});

/** A part of a manifest, as far as it is looked at. */
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold?: number;
}

test("The manifest of docs/health.md starts a worker that its probes ask", async () => {
  const page = await readFile(join(ROOT, "docs/health.md"), "utf8");
  const manifest = parseYaml(/```yaml\n([^]+?)```/.exec(page)![1]!) as unknown as {
    kind: string;
    spec: {
      selector: { matchLabels: unknown };
      template: {
        metadata: { labels: unknown };
        spec: {
          terminationGracePeriodSeconds: number;
          containers: {
            args: string[];
            ports: { name: string; containerPort: number }[];
            startupProbe: Probe;
            readinessProbe: Probe;
            livenessProbe: Probe;
            lifecycle?: unknown;
          }[];
        };
      };
    };
  };
  const { selector, template: { metadata, spec } } = manifest.spec;
  assertEquals([manifest.kind, selector.matchLabels], ["Deployment", metadata.labels]);
  const [container] = spec.containers;
  const args = parseArguments(["actors.ts", ...container!.args]) as Arguments;
  assertEquals(args.http, { host: "0.0.0.0", port: container!.ports[0]!.containerPort });
  const grace = spec.terminationGracePeriodSeconds;
  assertEquals(grace, args.workerShutdownTimeout / 1_000 + 15);
  assertEquals(container!.lifecycle, undefined);
  const { startupProbe, readinessProbe, livenessProbe } = container!;
  const probes = [startupProbe, readinessProbe, livenessProbe];
  assertEquals(probes.map(({ httpGet }) => httpGet.path), ["/readyz", "/readyz", "/livez"]);
  for (const { httpGet } of probes) {
    assertEquals(httpGet.port, container!.ports[0]!.name);
    assertEquals(answerHealth("GET", httpGet.path, () => healthOf([child(0)])).status, 200);
  }
  assertEquals(startupProbe.periodSeconds * startupProbe.failureThreshold!, 120);
  assertEquals([readinessProbe.periodSeconds, livenessProbe.periodSeconds], [5, 10]);
  assertEquals(livenessProbe.failureThreshold, 6);
});
