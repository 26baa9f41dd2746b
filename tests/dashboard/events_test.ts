import { assert, assertEquals, assertMatch } from "@std/assert";
import { actor, ConnectionClosed, StubBroker } from "@dq/dramatiq";
import type { Inspector } from "../../core/inspection.ts";
import { eventually } from "../support/servers/until.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";
import { Site } from "./fixture.ts";
import { serveScenes } from "./serve.ts";

/** The parts of a page, as an event has them. */
interface Parts {
  readonly nav: string;
  readonly status: string;
  readonly live?: string;
  readonly stale: boolean;
}

/** Events of a stream. */
async function* eventsOf(response: Response): AsyncGenerator<Parts, void, undefined> {
  const decoder = new TextDecoder();
  let buffer = "";
  for await (const chunk of response.body!) {
    buffer += decoder.decode(chunk, { stream: true });
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const data = /^data: (.+)$/m.exec(buffer.slice(0, end))?.[1];
      buffer = buffer.slice(end + 2);
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}

/** A broker whose inspector can be told to fail, and counts what it is asked. */
function failingBroker(): {
  broker: StubBroker;
  fails: (does: boolean) => void;
  reads: () => number;
} {
  const broker = new StubBroker();
  const inspect = broker.inspect.bind(broker);
  let isDown = false;
  let reads = 0;
  broker.inspect = (): Inspector => {
    const inspector = inspect();
    const overview = inspector.overview.bind(inspector);
    inspector.overview = async (options) => {
      reads++;
      if (isDown) throw new ConnectionClosed("connect ECONNREFUSED", { delivery: "none" });
      return await overview(options);
    };
    return inspector;
  };
  return { broker, fails: (does) => isDown = does, reads: () => reads };
}

test("events sends the live parts of a page each time that the broker is read", async () => {
  await using site = new Site();
  const work = actor(function work() {}, { broker: site.broker });
  await work.send();
  const response = await site.get("/events?view=queues&place=queues&depth=0");
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  assertEquals(response.headers.get("x-accel-buffering"), "no");
  const events = eventsOf(response);
  const first = (await events.next()).value as Parts;
  assertMatch(first.live!, /Waiting[^]*href="\.\/queues\/default\/waiting">1</);
  assertMatch(first.nav, /aria-current="page"/);
  await work.send();
  const second = (await events.next()).value as Parts;
  assertMatch(second.live!, /href="\.\/queues\/default\/waiting">2</);
  await events.return();
});

test("events gives links that hold on the page, however deep that is", async () => {
  await using site = new Site();
  site.broker.declareQueue("mails");
  const path = "/events?view=messages&queue=mails&state=dead&place=dead&depth=2&seen=0";
  const events = eventsOf(await site.get(path));
  const { live } = (await events.next()).value as Parts;
  assertMatch(live!, /href="\.\.\/\.\.\/queues\/mails\/waiting"/);
  await events.return();
});

test("events makes up no link of what an address holds", async () => {
  await using site = new Site();
  for (const depth of ["-1", "1e9", "javascript:", "x"]) {
    const query = new URLSearchParams({ view: "queues", depth, place: "<b>" });
    const events = eventsOf(await site.get(`/events?${query}`));
    const { nav } = (await events.next()).value as Parts;
    assert(/href="(?:\.\/|(?:\.\.\/){1,10})dead"/.test(nav), nav);
    await events.return();
  }
  for (const view of ["constructor", "__proto__", "nothing"]) {
    const events = eventsOf(await site.get(`/events?view=${view}`));
    assertEquals(((await events.next()).value as Parts).live, "");
    await events.return();
  }
});

test("An outage greys the last figures, and they are read again when it is over", async () => {
  const { broker, fails } = failingBroker();
  await using site = new Site({}, broker);
  broker.declareQueue("mails");
  await site.text("/");
  const events = eventsOf(await site.get("/events?view=queues"));
  await events.next();
  fails(true);
  const lost = (await events.next()).value as Parts;
  assertEquals(lost.stale, true);
  assertMatch(lost.status, /has not answered since[^]*ECONNREFUSED[^]*trying again/);
  assertMatch(lost.live!, /mails/);
  assert(!/Pause…/.test(lost.live!), "actions are off");
  const page = await site.get("/");
  assertEquals(page.status, 200);
  assertMatch(await page.text(), /class="stale"[^]*has not answered since[^]*mails/);
  assertMatch(await site.text("/queues/mails/dead"), /which does not answer/);
  assertEquals((await site.get("/", { accept: "application/json" })).status, 503);
  assertEquals((await site.get("/healthz")).status, 503);
  const gauges = await site.get("/metrics");
  assertEquals(gauges.status, 200);
  assertMatch(await gauges.text(), /^[^]*TYPE dramatiq_broker_up gauge\ndramatiq_broker_up 0\n$/);
  fails(false);
  const found = (await events.next()).value as Parts;
  assertEquals([found.stale, found.status], [false, ""]);
  assertEquals((await site.get("/healthz")).status, 200);
  await events.return();
});

test("One reading serves all viewers, and nothing is read while nobody looks", async () => {
  const { broker, reads } = failingBroker();
  await using site = new Site({}, broker);
  const streams = [];
  for (let i = 0; i < 3; i++) {
    const events = eventsOf(await site.get("/events?view=queues"));
    await events.next();
    streams.push(events);
  }
  await Promise.all(Array.from({ length: 10 }, () => site.text("/")));
  assert(reads() <= 4, `${reads()} readings for 3 viewers`);
  for (const events of streams) await events.return();
});

test("No more than 20 pages are open at the same time", async () => {
  await using site = new Site();
  const streams = [];
  for (let i = 0; i < 20; i++) streams.push(await site.get("/events"));
  assertEquals((await site.get("/events")).status, 503);
  await streams.pop()!.body!.cancel();
  const again = await site.get("/events");
  assertEquals(again.status, 200);
  for (const { body } of [...streams, again]) await body!.cancel();
});

test("A stream that its browser closes is free for others", async () => {
  await using server = await serveScenes();
  for (let i = 0; i < 25; i++) {
    const aborter = new AbortController();
    const open = async () => await fetch(`${server.url}/empty/events?view=queues`, aborter);
    // The server hears a moment later that a connection is closed.
    await eventually("open another page", async () => {
      const response = await open();
      if (response.status === 200) {
        await response.body!.getReader().read();
        return true;
      }
      await response.body!.cancel();
      return false;
    });
    aborter.abort();
  }
});

test("Closing a dashboard ends its streams", async () => {
  const site = new Site();
  const events = eventsOf(await site.get("/events?view=queues"));
  await events.next();
  const lines = await linesOf({ category: ["dramatiq", "dashboard"] }, async () => {
    await site.post("/discover");
    await site[Symbol.asyncDispose]();
    for await (const _ of events);
  });
  assertEquals(lines.map(textOf), []);
});
