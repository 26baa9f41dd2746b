import { assert, assertEquals, assertMatch } from "@std/assert";
import { actor, Control, Message, NotSupported, StubBroker, Worker } from "@dq/dramatiq";
import { untilAborted } from "../support/aborted.ts";
import { eventually } from "../support/servers/until.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";
import { dieOf, HOSTILE, runAll, Site } from "./fixture.ts";

const LOG = { category: ["dramatiq", "dashboard"] };

/** Keys of the messages in a list, as its checkboxes have them. */
async function keysOf(site: Site, path: string): Promise<string[]> {
  return [...(await site.text(path)).matchAll(/name="key" value="([^"]*)"/g)].map(([, key]) =>
    key!
  );
}

/** What the page says to which an action leads. */
async function said(site: Site, path: string, response: Response): Promise<string> {
  assertEquals(response.status, 303, await response.text());
  const { pathname, search } = new URL(response.headers.get("location")!, site.base + path);
  const page = await site.text(pathname + search);
  return /class="note (?:good|bad)"[^>]*>\s*<bdi>([^]*?)<\/bdi>/.exec(page)?.[1] ?? "";
}

test("A form of a page pauses a queue with its reason, and resumes it", async () => {
  await using site = new Site({ access: () => ({ name: "ada", can: "operate" }) });
  site.broker.declareQueue("mails");
  const lines = await linesOf(LOG, async () => {
    const path = "/queues/mails/pause";
    assertEquals(
      await said(site, path, await site.post(path, { reason: "bad deploy" })),
      "Paused mails",
    );
    assertMatch(await site.text("/"), /paused[^]*bad deploy \(ada\)/);
    const resume = "/queues/mails/resume";
    assertEquals(await said(site, resume, await site.post(resume)), "Resumed mails");
    assertEquals(await said(site, resume, await site.post(resume)), "mails was not paused");
  });
  assertEquals(lines.map(textOf).map((text) => text.replaceAll('"', "")), [
    "ada paused mails",
    "ada resumed mails",
    "ada resumed mails",
  ]);
  assertEquals(await new Control(site.broker).paused(), []);
});

test("An actor is paused and resumed, and a worker quieted", async () => {
  await using site = new Site();
  site.broker.declareQueue("default");
  const act = async (path: string) =>
    await said(site, path, await site.post(path, { reason: "storm" }));
  assertEquals(await act("/actors/a%2Fb/pause"), "Paused a/b");
  assertMatch(await site.text("/"), /a\/b<\/bdi>[^]*paused[^]*storm \(local\)/);
  assertEquals((await new Control(site.broker).paused())[0]!.actor, "a/b");
  assertEquals(await act("/actors/a%2Fb/resume"), "Resumed a/b");
  assertEquals(await act("/workers/one/quiet"), "Quieted one");
  assertEquals(await act("/workers/one/resume"), "Resumed one");
  assertEquals((await site.post("/queues/default/quiet")).status, 404);
  assertEquals((await site.post("/workers/one/pause")).status, 404);
});

test("Selected dead letters are requeued or dropped, and what is gone is told", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", ["one", "two", ...HOSTILE]);
  const path = "/queues/default/dead";
  const keys = await keysOf(site, path);
  assertEquals(keys.length, 2 + HOSTILE.length);
  const change = `${path}/change`;
  const send = async (change: string, key: string[]) =>
    await site.post(`${path}/change`, { change, key });
  assertEquals(
    await said(site, change, await send("requeue", keys.slice(0, 2))),
    "Requeued 2 messages",
  );
  assertEquals(
    await said(site, change, await send("drop", keys.slice(1, 4))),
    "Dropped 2 messages, 1 was gone",
  );
  assertEquals(await said(site, change, await send("drop", [])), "No message was selected");
  assertEquals(await said(site, change, await send("explode", keys)), "There is no such action");
  const { queues } = await site.json("/");
  assertEquals([queues[0].ready, queues[0].dead], [2, keys.length - 4]);
});

test("A message is requeued, run now, dropped by the buttons of its page", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", ["one"]);
  const work = site.broker.getActor("work");
  await work.sendWithOptions({ args: ["later"], delay: 3_600_000 } as never);
  await work.send("now" as never);
  const act = async (state: string, verb: string) => {
    const list = await site.text(`/queues/default/${state}`);
    const link = /href="[./]*(messages\/[^"]+)"/.exec(list)![1]!;
    const page = await site.text(`/${link}`);
    assertMatch(page, new RegExp(`action="[./]*${link.replaceAll("%", "\\%")}/${verb}"`), page);
    return await said(site, `/${link}/${verb}`, await site.post(`/${link}/${verb}`));
  };
  assertEquals(await act("dead", "requeue"), "Requeued 1 message");
  assertEquals(await act("delayed", "runNow"), "Put on the queue 1 message");
  assertEquals((await site.json("/")).queues[0].ready, 3);
  assertEquals(await act("waiting", "drop"), "Dropped 1 message");
  assertEquals((await site.json("/")).queues[0].ready, 2);
  assertEquals((await site.post("/messages/default/dead/x/explode")).status, 404);
  assertEquals((await site.post("/messages/default/nowhere/x/drop")).status, 404);
});

test("A running message is cancelled, and its row says by whom", async () => {
  await using site = new Site({ access: () => ({ name: "ada", can: "operate" }) });
  const { broker } = site;
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const work = actor(async function work() {
    started.resolve();
    await untilAborted();
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  const { messageId } = await work.send();
  await started.promise;
  await eventually(
    "see the message run",
    async () => (await site.json("/running")).items?.[0]?.messageId === messageId,
  );
  assertMatch(await site.text("/running"), /action="[./]*running\/cancel"/);
  const response = await site.post("/running/cancel", { id: messageId, reason: "wrong tenant" });
  assertMatch(await said(site, "/running/cancel", response), /^Cancelled message/);
  await broker.join("default", { failFast: false });
  ended.resolve(undefined);
  const { messages } = await site.json("/queues/default/dead");
  assertMatch(messages[0].error, /wrong tenant \(ada\)/);
});

test("All messages of an actor on a queue are cancelled until the page was opened", async () => {
  await using site = new Site();
  const ran: string[] = [];
  const storm = actor(function storm(name: string) {
    ran.push(name);
  }, { broker: site.broker });
  await storm.send("before");
  assertMatch(await site.text("/queues/default/cancel?actor=storm"), /value="storm"/);
  const response = await site.post("/queues/default/cancel", { actor: "storm", reason: "loop" });
  assertEquals(response.status, 303);
  await runAll(site.broker);
  assertEquals(ran, []);
  assertMatch((await site.json("/queues/default/dead")).messages[0].error, /loop \(local\)/);
});

test("Purging many messages needs the name of the queue", async () => {
  await using site = new Site();
  const work = actor(function work() {}, { broker: site.broker });
  await site.broker.enqueueMany(Array.from({ length: 1_001 }, () => work.message()));
  const page = await site.text("/operations/new?queue=default&state=waiting&change=purge");
  assertMatch(page, /Type the name of the queue/);
  const path = "/queues/default/waiting/purge";
  const purge = async (fields: Record<string, string>) =>
    await said(site, path, await site.post(path, fields));
  assertMatch(await purge({}), /was not typed/);
  assertMatch(await purge({ expected: "1001", typed: "other" }), /was not typed/);
  assertEquals((await site.json("/")).queues[0].ready, 1_001);
  assertEquals(await purge({ typed: "default" }), "Dropped 1001 messages of default");
  assertEquals((await site.json("/")).queues[0].ready, 0);
});

test("Schedules are paused, resumed and triggered", async () => {
  await using site = new Site();
  actor(function report() {}, { broker: site.broker, every: 3_600_000 });
  const name = (await site.json("/schedules")).items[0]?.name;
  assert(name !== undefined, await site.text("/schedules"));
  const act = async (verb: string) => {
    const path = `/schedules/${encodeURIComponent(name)}/${verb}`;
    return await said(site, path, await site.post(path));
  };
  assertEquals(await act("pause"), `Paused schedule ${name}`);
  assertMatch(await site.text("/schedules"), /paused/);
  assertEquals(await act("resume"), `Resumed schedule ${name}`);
  assertMatch(await act("trigger"), /^Sent message/);
  assertEquals((await site.json("/")).queues[0].ready, 1);
});

test("What a broker lacks is told in place of it", async () => {
  const broker = new StubBroker();
  Object.defineProperty(broker, "controlStore", { value: undefined });
  await using site = new Site({}, broker);
  broker.declareQueue("mails");
  assertMatch(await site.text("/schedules"), /has no control store/);
  assert(!/Pause…/.test(await site.text("/")));
  const path = "/queues/mails/pause";
  assertMatch(await said(site, path, await site.post(path)), /has no control store/);
});

test("Messages that a broker does not show can be purged by their number", async () => {
  const broker = new StubBroker();
  const inspect = broker.inspect.bind(broker);
  broker.inspect = () => {
    const inspector = inspect();
    const abilities = new Set([...inspector.abilities].filter((one) => one !== "browse:ready"));
    const whyNot = () => "This broker shows no message";
    const list = () => Promise.reject(new NotSupported("browse:ready", whyNot()));
    return Object.defineProperties(inspector, {
      abilities: { value: abilities },
      whyNot: { value: whyNot },
      list: { value: list },
    });
  };
  await using site = new Site({}, broker);
  await actor(function work() {}, { broker }).send();
  const list = await site.text("/queues/default/waiting");
  assertMatch(list, /This broker shows no message/);
  assertMatch(list, /change=purge/);
  assert(!/change=drop/.test(list), "what needs a list is not shown");
  const form = "/operations/new?queue=default&state=waiting&change=purge";
  assertMatch(await site.text(form), /about[^]*None of them can be shown/);
  assertEquals((await site.json(form)).expected, { count: 1, isExact: false });
  const path = "/queues/default/waiting/purge";
  assertEquals(
    await said(site, path, await site.post(path, { expected: "1" })),
    "Dropped 1 message of default",
  );
});

test("A message that no longer is where it was is looked for everywhere", async () => {
  await using site = new Site();
  site.broker.declareQueue("default");
  const message = new Message({ queueName: "default", actorName: "work", args: [] });
  await site.broker.enqueue(message);
  const found = await site.json(`/find?id=${message.messageId}`);
  assertEquals([found.messages[0].state, found.isComplete], ["waiting", true]);
  assertMatch(await site.text("/find?id=nothing"), /It was not found/);
});
