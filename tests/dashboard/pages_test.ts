import { assert, assertEquals, assertMatch } from "@std/assert";
import { gzipSync } from "node:zlib";
import { getEncoder, Message, PickleEncoder, setEncoder, StubBroker } from "@dq/dramatiq";
import { dashboard } from "@dq/dramatiq/dashboard";
import { allAssets } from "../../dashboard/assets/assets.ts";
import { indentJson } from "../../dashboard/html/json_text.ts";
import { bytes, count, rate, span } from "../../dashboard/html/numbers.ts";
import { test } from "../support/test.ts";
import { dieOf, failing, HOSTILE, HOSTILE_ERROR, request, Site } from "./fixture.ts";

/** Kilobytes, compressed. */
const BUDGET = { script: 8, style: 4, page: 40 };

/** Tags that templates write. */
const TAGS =
  "a|b|bdi|body|button|code|dd|details|dialog|div|dl|dt|footer|form|h1|h2|head|header|html|" +
  "input|kbd|label|li|link|main|meta|nav|option|p|path|polygon|polyline|pre|progress|rect|script|" +
  "section|select|small|span|strong|summary|svg|table|tbody|td|th|thead|time|title|tr|ul|!DOCTYPE";
/** Tags and attributes that none writes. */
const FOREIGN = new RegExp(
  `<(?!/?(?:${TAGS})\\b)[^>]*>|<script(?! src="" defer>)[^>]*>|<[^>]*\\son\\w+=[^>]*>|<[^>]*\\sstyle=[^>]*>`,
);

/** What stands in a page that no template has written. */
function foreignIn(page: string): string | undefined {
  const links = [...page.matchAll(/(?:href|src|action)="([^"]*)"/g)].map(([, link]) => link!);
  const schemes = links.filter((link) => /^\s*\w+:/.test(link));
  return FOREIGN.exec(page.replace(/="[^"]*"/g, '=""'))?.[0] ?? schemes[0];
}

async function hostileSite(): Promise<Site> {
  const site = new Site();
  const delayed = failing(site.broker, HOSTILE[1]!);
  await dieOf(site.broker, HOSTILE[0]!, [HOSTILE_ERROR, HOSTILE_ERROR, ...HOSTILE]);
  for (const name of HOSTILE) {
    await site.broker.enqueue(delayed.message(name as never).copy({ messageId: name }));
    await delayed.sendWithOptions({ args: [name] as never, delay: 60_000 });
  }
  return site;
}

test("Pages escape what messages hold, and their links lead to the messages", async () => {
  await using site = await hostileSite();
  const paths = ["/", "/dead", "/queues/default/dead", "/queues/default/waiting"];
  paths.push("/queues/default/delayed", "/running", "/workers", "/schedules", "/operations");
  paths.push(...HOSTILE.map((name) => `/find?id=${encodeURIComponent(name.toWellFormed())}`));
  paths.push(
    ...HOSTILE.map((name) =>
      `/queues/default/dead?actor=${encodeURIComponent(name.toWellFormed())}`
    ),
  );
  paths.push(
    `/operations/new?queue=default&state=dead&change=requeue&error=${
      encodeURIComponent(HOSTILE_ERROR)
    }`,
  );
  for (const path of paths) {
    const response = await site.get(path);
    const text = await response.text();
    assertEquals(response.status, 200, `${path}: ${text}`);
    assertEquals(foreignIn(text), undefined, path);
    for (const unsafe of ["\u202e", "\u0007", "\ufeff", "\ud800"]) {
      const shown = text.replace(/ value="[^"]*"/g, ""); // a field has what was typed in it
      assert(!shown.includes(unsafe), `${path} shows ${escape(unsafe)}`);
    }
  }
  const list = await site.text("/queues/default/waiting");
  const links = [...list.matchAll(/href="([^"]*messages\/[^"]+)"/g)].map(([, link]) => link!);
  assertEquals(links.length, HOSTILE.length);
  for (const link of links) {
    const { pathname } = new URL(link, `${site.base}/queues/default/waiting`);
    const response = await site.get(pathname);
    assertEquals(response.status, 200, pathname);
    assertEquals(foreignIn(await response.text()), undefined, pathname);
  }
});

test("A message is shown whole, with numbers as they are, and can be downloaded as text", async () => {
  await using site = new Site();
  site.broker.declareQueue("default");
  const long = JSON.stringify("x".repeat(20_000));
  const { messageId } = await site.broker.enqueue(Message.decode(
    `{"queue_name":"default","actor_name":"work","args":[12345678901234567890,${long}],"kwargs":{},` +
      '"options":{},"message_id":"one","message_timestamp":1}',
  ));
  const { messages } = await site.json("/queues/default/waiting");
  assertEquals(messages[0].id, messageId);
  const path = `/messages/default/ready/${encodeURIComponent(messages[0].key)}`;
  const page = await site.text(path);
  assertMatch(page, /12345678901234567890,/);
  assert(page.includes("x".repeat(20_000)));
  const file = await site.get(`${path}/json`);
  assertEquals(file.headers.get("content-type"), "text/plain; charset=utf-8");
  assertMatch(file.headers.get("content-disposition")!, /^attachment/);
  assertMatch(await file.text(), /12345678901234567890,/);
  const gone = await site.get("/messages/default/ready/nothing");
  assertEquals([gone.status, /Look for it everywhere/.test(await gone.text())], [404, true]);
});

test("A pickled message is shown with its sets, dictionaries, bytes and large integers", async () => {
  const before = getEncoder();
  setEncoder(new PickleEncoder());
  try {
    await using site = new Site();
    site.broker.declareQueue("default");
    const args = [new Set([1, 2]), new Map([[[3, 4], 5]]), Uint8Array.of(255, 0), 10n ** 30n];
    await site.broker.enqueue(new Message({ queueName: "default", actorName: "work", args }));
    const { messages } = await site.json("/queues/default/waiting");
    const path = `/messages/default/ready/${encodeURIComponent(messages[0].key)}`;
    const shown = [[1, 2], [[[3, 4], 5]], "/wA=", `${10n ** 30n}`];
    assertEquals((await site.json(path)).args, shown);
    assertEquals(JSON.parse(await (await site.get(`${path}/json`)).text()).args, shown);
    const spaceless = (await site.text(path)).replace(/\s/g, "");
    assert(spaceless.includes(JSON.stringify(shown).replaceAll('"', "&quot;")), spaceless);
  } finally {
    setEncoder(before);
  }
});

test("redact decides what pages, JSON and downloads show, and hides what it fails for", async () => {
  const redact = (message: Message, part: string, value: unknown) => {
    if (message.actorName === "broken") throw new Error("no");
    return part === "args" ? ["***"] : part === "traceback" ? "an error" : value;
  };
  await using site = new Site({ redact });
  await dieOf(site.broker, "work", ["secret 1"]);
  await dieOf(site.broker, "broken", ["secret 2"]);
  const { messages } = await site.json("/queues/default/dead");
  assertEquals(messages.map(({ error }: { error: string }) => error).toSorted(), [
    "(hidden)",
    "an error",
  ]);
  const paths = ["/queues/default/dead", "/dead", "/find?id=" + messages[0].id];
  paths.push("/operations/new?queue=default&state=dead&change=requeue");
  for (const { key } of messages) {
    const path = `/messages/default/dead/${encodeURIComponent(key)}`;
    paths.push(path, `${path}/json`);
  }
  for (const path of paths) {
    assert(!/secret/.test(await site.text(path)), path);
    assert(
      !/secret/.test(await (await site.get(path, { accept: "application/json" })).text()),
      path,
    );
  }
});

test("traceUrl links a message to its trace, by http and https only, and escaped", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const traceCtx = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  const urls: Record<string, string | undefined> = {
    plain: `https://traces.example/trace/${traceId}?a=1&b=2`,
    hostile: `http://traces.example/"><script>alert(1)</script>`,
    script: "javascript:alert(1)",
    data: "data:text/html,hello",
    odd: "no URL",
    none: undefined,
  };
  const asked: string[] = [];
  await using site = new Site({
    traceUrl(id, { actorName }) {
      asked.push(`${actorName} ${id}`);
      if (actorName === "broken") throw new Error("no");
      if (actorName === "late") return Promise.reject(new Error("no")) as never;
      return urls[actorName];
    },
  });
  const link = async (actorName: string, options: object) => {
    const waits = failing(site.broker, actorName, actorName);
    await waits.sendWithOptions({ args: ["no"] as never, ...options });
    const { messages: [{ key }] } = await site.json(`/queues/${actorName}/waiting`);
    const page = await site.text(`/messages/${actorName}/waiting/${encodeURIComponent(key)}`);
    return /<a href="([^"]*)"[^>]*>0af7651916cd43dd8448eb211c80319c<\/a>/.exec(page)?.[1];
  };
  assertEquals(await link("untraced", {}), undefined);
  assertEquals(asked, []);
  const links: Record<string, string | undefined> = {};
  for (const name of [...Object.keys(urls), "broken", "late"]) {
    links[name] = await link(name, { traceCtx });
  }
  assertEquals(links, {
    plain: `https://traces.example/trace/${traceId}?a=1&amp;b=2`,
    hostile: "http://traces.example/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    script: undefined,
    data: undefined,
    odd: undefined,
    none: undefined,
    broken: undefined,
    late: undefined,
  });
  assertEquals(asked.length, 8);
});

test("Pages are JSON for programs that ask for it", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", ["one", "two"]);
  const { schema, queues, figures } = await site.json("/");
  assertEquals([schema, figures.dead], [1, 2]);
  assertEquals(queues.map(({ queueName, dead }: Record<string, unknown>) => [queueName, dead]), [
    ["default", 2],
  ]);
  const { groups } = await site.json("/dead");
  assertEquals(groups.map(({ count, actor }: Record<string, unknown>) => [count, actor]), [
    [1, "work"],
    [1, "work"],
  ]);
  const list = await site.json("/queues/default/dead?error=TWO");
  assertEquals(list.messages.length, 1);
  assertMatch(list.messages[0].diedAt, /^\d{4}-\d\d-\d\dT/);
  assertEquals((await site.get("/nothing", { accept: "application/json" })).status, 404);
});

test("The next page of a list continues where the last one ended", async () => {
  await using site = new Site();
  await dieOf(site.broker, "work", Array.from({ length: 120 }, (_, i) => `error ${i}`));
  const ids = new Set<string>();
  let path = "/queues/default/dead";
  for (let page = 0; page < 3; page++) {
    const { messages } = await site.json(path);
    for (const { id } of messages) ids.add(id);
    const [, next] = /rel="next"\s+href="([^"]+)"/.exec(await site.text(path)) ?? [];
    path = next === undefined ? "" : `/queues/default/dead${next.replaceAll("&amp;", "&")}`;
  }
  assertEquals([ids.size, path], [120, ""]);
});

test("Links are relative, so that they hold at any depth and behind a proxy that strips a prefix", async () => {
  await using site = new Site();
  site.broker.declareQueue("mails");
  const styleOf = async (path: string) =>
    new URL(/href="([^"]*style\.[^"]*)"/.exec(await site.text(path))![1]!, `https://x/ops${path}`)
      .pathname;
  for (const path of ["/", "/dead", "/queues/mails/dead", "/messages/mails/dead/x"]) {
    assertMatch(await styleOf(path), /^\/ops\/static\/style/, path);
  }
});

test("basePath begins each link, whether or not a proxy strips it", async () => {
  const broker = new StubBroker();
  broker.declareQueue("mails");
  await using handler = dashboard({ broker, access: "loopback", basePath: "/ops" });
  for (const path of ["/ops", "/ops/", "/ops/queues/mails/dead", "/queues/mails/dead", "/"]) {
    const response = await handler(request(`http://localhost${path}`));
    assertEquals(response.status, 200, path);
    const links = [...(await response.text()).matchAll(/(?:href|src|action)="([^"#?]+)/g)];
    assert(links.length > 5);
    assertEquals(
      links.map(([, link]) => link!).filter((link) => !link.startsWith("/ops/")),
      [],
      path,
    );
  }
});

test("Several brokers are chosen from on each page", async () => {
  const one = new StubBroker();
  const two = new StubBroker();
  two.declareQueue("mails");
  await using handler = dashboard({ broker: { one, "a/b": two }, access: "loopback" });
  const get = async (path: string) => await handler(request(`http://localhost${path}`));
  assertEquals((await get("/")).headers.get("location"), "./@one/");
  const page = await (await get("/@a%2Fb/")).text();
  assertMatch(page, /mails/);
  assertMatch(page, /href="\.\.\/@one\/"/);
  assertEquals((await get("/@a%2Fb/queues/mails/waiting")).status, 200);
});

test("Preferences are stored in a cookie, and redirect back to the page", async () => {
  await using site = new Site();
  const send = async (back: string) =>
    await site.post("/preferences", {
      theme: "dark",
      zone: "local",
      keys: "off",
      back: encodeURIComponent(back),
    });
  const response = await send("queues/a%20b/dead?actor=x");
  assertEquals(response.headers.get("location"), "./queues/a%20b/dead?actor=x");
  const cookie = response.headers.get("set-cookie")!;
  assertMatch(cookie, /SameSite=Lax; HttpOnly$/);
  const page = await (await site.get("/", { cookie: `a=b; ${cookie.split(";")[0]}` })).text();
  assertMatch(page, /data-theme="dark" data-zone="local" data-keys="off"/);
  for (const back of ["//evil.example", "/\\evil.example", "https://evil.example", "a\r\nb: c"]) {
    const location = (await send(back)).headers.get("location")!;
    assertEquals(new URL(location, "http://localhost/ops/").host, "localhost", back);
    assert(location.startsWith("./"), location);
  }
});

test("The script, the style and a page with 50 rows stay small", async () => {
  await using site = new Site();
  await dieOf(
    site.broker,
    "work",
    Array.from({ length: 60 }, (_, i) => `upstream ${i} took too long`),
  );
  const kilobytes = (text: string) => gzipSync(text).length / 1_000;
  const { script, idiomorph, style } = allAssets();
  const all = kilobytes(script.text) + kilobytes(idiomorph.text);
  assert(all <= BUDGET.script, `${all} KB of script`);
  assert(kilobytes(style.text) <= BUDGET.style, `${kilobytes(style.text)} KB of style`);
  const page = kilobytes(await site.text("/queues/default/dead"));
  assert(page <= BUDGET.page, `${page} KB of page`);
});

test("Numbers and spans of time are short and have units", () => {
  assertEquals([count(0), count(999), count(88_423), count(undefined)], [
    "0",
    "999",
    "88,423",
    "–",
  ]);
  assertEquals([rate(0), rate(0.25), rate(9.94), rate(412.4)], ["0", "0.3", "9.9", "412"]);
  assertEquals([bytes(12), bytes(1_536), bytes(2 ** 20)], ["12 B", "1.5 KiB", "1.0 MiB"]);
  const spans = [0, 999, 48_000, 80_000, 3_000_000, 8_040_000, 90_000_000].map(span);
  assertEquals(spans, ["0 s", "999 ms", "48 s", "1 m 20 s", "50 m", "2 h 14 m", "1 d 1 h"]);
});

test("indentJson changes only white space", () => {
  assertEquals(
    indentJson('{"a":[1e400,{}],"b":"x, [y] \\" {"}'),
    `{
  "a": [
    1e400,
    {}
  ],
  "b": "x, [y] \\" {"
}`,
  );
  assertEquals(indentJson("[[[]]]"), "[\n  [\n    []\n  ]\n]");
  assertEquals(indentJson('{"broken": ['), '{\n  "broken": [');
});
