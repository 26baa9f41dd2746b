import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { Control, StubBroker } from "@dq/dramatiq";
import { type Access, dashboard, type DashboardOptions, type Right } from "@dq/dramatiq/dashboard";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";
import { dieOf, request, Site } from "./fixture.ts";

const LOG = { category: ["dramatiq", "dashboard"] };
const FORM = { "content-type": "application/x-www-form-urlencoded" };

test("dashboard refuses unknown and invalid options", () => {
  const broker = new StubBroker();
  const make = (options: object) => () =>
    dashboard({ broker, ...options } as unknown as DashboardOptions);
  assertThrows(make({}), TypeError, 'it must be "loopback" or a function');
  assertThrows(make({ access: "loopback", base_path: "/ops" }), TypeError, "here: basePath");
  assertThrows(make({ access: "loopback", basePath: "ops/" }), RangeError, "must start with");
  for (const origin of ["ops.example.com", "https://ops.example.com/", ["https://a.example", ""]]) {
    assertThrows(make({ access: "loopback", origin }), RangeError, 'such as "https://ops');
  }
  assertThrows(make({ access: "loopback", bulkLimit: 0 }), RangeError, "above 0");
  for (const none of [undefined, null, 5n, "redis://127.0.0.1", { mails: "redis://127.0.0.1" }]) {
    const text = "its broker must be a broker, or brokers by name";
    assertThrows(make({ access: "loopback", broker: none }), TypeError, text);
  }
});

test('access "loopback" answers this machine alone, by its own names', async () => {
  await using site = new Site();
  for (const host of ["localhost", "localhost:9192", "127.0.0.1:1", "[::1]:9192", "LOCALHOST"]) {
    assertEquals((await site.get("/", { host })).status, 200, host);
  }
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1"]) {
    assertEquals((await site.get("/", { host })).status, 403, host);
  }
  for (const header of ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]) {
    assertEquals((await site.get("/", { [header]: "x" })).status, 403, header);
  }
});

test("access may be a function that grants access, refuses, returns a login page, or fails", async () => {
  let answer: () => Access | Response | undefined = () => undefined;
  await using site = new Site({ access: () => answer() });
  assertEquals((await site.get("/")).status, 403);
  answer = () => new Response("log in", { status: 401 });
  const login = await site.get("/");
  assertEquals([login.status, await login.text()], [401, "log in"]);
  answer = () => {
    throw new Error("secret");
  };
  const failed = await site.get("/");
  assertEquals(failed.status, 403);
  answer = () => ({ name: "ada", can: "read" });
  assertMatch(await site.text("/"), /ada.*read only/s);
});

test("dashboard performs actions only for forms of its own pages", async () => {
  await using site = new Site({ origin: "https://ops.example.com" });
  site.broker.declareQueue("mails");
  const url = `${site.base}/queues/mails/pause`;
  const send = async (headers: Record<string, string>, body = "reason=x") =>
    (await site.handler(request(url, { method: "POST", body, headers }))).status;
  assertEquals(await send({ ...FORM }), 403, "neither header");
  assertEquals(await send({ ...FORM, "sec-fetch-site": "cross-site" }), 403);
  assertEquals(await send({ ...FORM, "sec-fetch-site": "same-site" }), 403);
  assertEquals(await send({ ...FORM, "sec-fetch-site": "none" }), 403);
  assertEquals(await send({ ...FORM, origin: "https://evil.example" }), 403);
  assertEquals(await send({ ...FORM, origin: "null" }), 403);
  const foreign = { ...FORM, origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  assertEquals(await send(foreign), 403);
  const json = { "content-type": "application/json", "sec-fetch-site": "same-origin" };
  assertEquals(await send(json, "{}"), 415);
  assertEquals(await send({ "content-type": "text/plain", origin: "http://localhost:9192" }), 415);
  assertEquals(await (await site.json("/")).queues[0].paused, undefined, "nothing was changed");
  assertEquals(await send({ ...FORM, origin: "http://localhost:9192" }), 303);
  assertEquals(await send({ ...FORM, origin: "https://localhost:9192" }), 303, "TLS ends before");
  assertEquals(await send({ ...FORM, origin: "https://ops.example.com" }), 303);
  assertEquals(await send({ ...FORM, "sec-fetch-site": "same-origin" }), 303);
  const put = await site.handler(request(url, { method: "PUT", headers: FORM, body: "x=1" }));
  assertEquals(put.status, 405);
});

test("dashboard serves gauges only to viewers of the broker", async () => {
  const [live, staging] = [new StubBroker(), new StubBroker()];
  live.declareQueue("mails");
  staging.declareQueue("drafts");
  const may = { name: "prometheus", can: "read" as const, brokers: ["live"] };
  await using site = new Site({
    broker: { live, staging },
    access: ({ headers }) => headers.has("authorization") ? may : undefined,
  });
  const headers = { authorization: "Basic x" };
  const gauges = await site.get("/@live/metrics", headers);
  assertEquals(gauges.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assertMatch(await gauges.text(), /dramatiq_queue_messages\{queue_name="mails",state="ready"\} 0/);
  assertEquals((await site.get("/@live/metrics")).status, 403);
  assertEquals((await site.get("/@staging/metrics", headers)).status, 404);
  const first = await site.get("/metrics", headers);
  assertEquals([first.status, first.headers.get("location")], [303, "./@live/metrics"]);
  await Promise.all([live.close(), staging.close()]);
});

test("Each response forbids foreign scripts, framing and content sniffing", async () => {
  await using site = new Site();
  const style = /static\/style\.[0-9a-f]+\.css/.exec(await site.text("/"))![0];
  const script = /static\/script\.[0-9a-f]+\.js/.exec(await site.text("/"))![0];
  for (const path of ["/", "/nothing", `/${style}`, `/${script}`, "/healthz", "/metrics"]) {
    const { headers } = await site.get(path);
    const policy = headers.get("content-security-policy")!;
    assertMatch(policy, /^default-src 'none'; script-src 'self'; style-src 'self'/, path);
    assertMatch(policy, /frame-ancestors 'none'/);
    assert(!/unsafe/.test(policy));
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("strict-transport-security"), null, "that is for the host to say");
    const isAsset = path.includes("static");
    assertMatch(headers.get("cache-control")!, isAsset ? /immutable/ : /no-store/);
  }
});

test("dashboard refuses bodies above 64 KiB", async () => {
  await using site = new Site();
  site.broker.declareQueue("mails");
  const response = await site.post("/queues/mails/pause", { reason: "x".repeat(70_000) });
  assertEquals(response.status, 413);
});

test("dashboard refuses a form that its server has read before, and says what to do", async () => {
  await using site = new Site();
  site.broker.declareQueue("mails");
  for (const path of ["/queues/mails/pause", "/preferences"]) {
    // As it comes through express.urlencoded(): with the headers of its body, and without the body.
    const headers = { ...FORM, "sec-fetch-site": "same-origin", "content-length": "12" };
    const response = await site.post(path, {}, headers);
    assertEquals(response.status, 400, path);
    assertStringIncludes(await response.text(), "before what parses the bodies of requests");
  }
  assertEquals(await new Control(site.broker).paused(), []);
});

/** A form for each action, and the right that it needs. */
const ACTIONS: readonly [string, Record<string, string>, Right][] = [
  ["/queues/default/pause", {}, "pause"],
  ["/queues/default/resume", {}, "pause"],
  ["/actors/work/pause", {}, "pause"],
  ["/workers/one/quiet", {}, "quiet"],
  ["/queues/default/dead/change", { change: "requeue", key: ":x" }, "requeue"],
  ["/queues/default/dead/change", { change: "drop", key: ":x" }, "drop"],
  ["/queues/default/delayed/change", { change: "runNow", key: ":x" }, "requeue"],
  ["/queues/default/dead/purge", {}, "purge"],
  ["/queues/default/cancel", { actor: "work" }, "cancel"],
  ["/messages/default/dead/x/requeue", {}, "requeue"],
  ["/messages/default/dead/x/drop", {}, "drop"],
  ["/messages/default/ready/x/cancel", { id: "x" }, "cancel"],
  ["/running/cancel", { id: "x" }, "cancel"],
  ["/operations", { queue: "default", state: "dead", change: "requeue" }, "requeue"],
  ["/operations", { queue: "default", state: "dead", change: "drop" }, "drop"],
  ["/schedules/nightly/trigger", {}, "trigger"],
  ["/schedules/nightly/pause", {}, "pause"],
];

test("readOnly refuses each action, and logs the viewer and the action", async () => {
  await using site = new Site({ readOnly: true });
  await dieOf(site.broker, "work", ["x"]);
  for (const [path, fields] of ACTIONS) {
    const lines = await linesOf(LOG, async () => {
      assertEquals((await site.post(path, fields)).status, 403, path);
    });
    assertEquals(lines.map(({ level }) => level), ["warning"], path);
    assertMatch(textOf(lines[0]!), /Refused to let local /);
    assertEquals(lines[0]!.properties["outcome"], "refused");
  }
  const page = await site.text("/queues/default/dead");
  assert(!/<button[^>]*>Requeue|Drop…|Purge…|Pause…/.test(page), "its buttons are not shown");
});

test("A viewer with some rights may perform only their actions", async () => {
  const rights: Right[] = ["pause", "requeue", "cancel", "drop", "purge", "quiet", "trigger"];
  let can: readonly Right[] = [];
  await using site = new Site({ access: () => ({ name: "ada", can }) });
  await dieOf(site.broker, "work", ["x"]);
  for (const [path, fields, right] of ACTIONS) {
    can = rights.filter((one) => one !== right);
    assertEquals((await site.post(path, fields)).status, 403, `${path} without ${right}`);
    can = [right];
    assertEquals((await site.post(path, fields)).status, 303, `${path} with ${right}`);
  }
});

test("A viewer sees only the brokers of their access", async () => {
  const brokers = { one: new StubBroker(), two: new StubBroker() };
  await using handler = dashboard({
    broker: brokers,
    access: () => ({ name: "ada", can: "operate", brokers: ["two"] }),
  });
  const get = (path: string) => handler(request(`http://localhost${path}`));
  assertEquals((await get("/@one/")).status, 404);
  assertEquals((await get("/@three/")).status, 404);
  const first = await get("/dead");
  assertEquals([first.status, first.headers.get("location")], [303, "./@two/dead"]);
  const page = await (await get("/@two/")).text();
  assert(!page.includes("one</bdi>"), "its name is not shown");
  assertEquals(
    (await handler(request("http://localhost/@one/queues/x/pause", {
      method: "POST",
      headers: { ...FORM, "sec-fetch-site": "same-origin" },
      body: "",
    }))).status,
    404,
  );
});

test("onAction is called for each action, and prevents it by throwing", async () => {
  const seen: unknown[] = [];
  await using site = new Site({
    onAction: (action) => {
      seen.push(action);
      if (action.action === "resume") throw new Error("not at night");
    },
  });
  site.broker.declareQueue("mails");
  await site.post("/queues/mails/pause", { reason: "down" });
  assertEquals(seen[0], {
    who: "local",
    action: "pause",
    queue: "mails",
    filter: undefined,
    ids: [],
    count: 0,
  });
  const response = await site.post("/queues/mails/resume");
  assertMatch(await site.text(`/${response.headers.get("location")!}`), /not at night/);
  assert((await site.json("/")).queues[0].paused, "it is still paused");
});

test("Log records of actions name the viewer, the action and the target, without control characters", async () => {
  await using site = new Site({ access: () => ({ name: "ada\u202e\n", can: "operate" }) });
  await dieOf(site.broker, "work", ["x", "y"]);
  const { messages } = await site.json("/queues/default/dead");
  const lines = await linesOf(LOG, async () => {
    await site.post("/queues/default/dead/change", {
      change: "requeue",
      // deno-lint-ignore no-explicit-any -- as JSON gives it
      key: messages.map((one: any) => `:${encodeURIComponent(one.key)}`),
    });
  });
  assertEquals(lines.map(textOf).map((text) => text.replaceAll('"', "")), [
    "ada\\u202e\\n requeued 2 of default",
  ]);
  assertEquals(lines[0]!.properties["ids"], messages.map(({ key }: { key: string }) => key));
});
