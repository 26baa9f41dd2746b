// A crawler: an actor that sends itself a message for each link it finds.
// Run: deno run -A examples/crawler.ts
// Prints: /: 2 links | /about: 1 link | /news: 2 links | /news/old: 0 links
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { actor, brokerFromUrl, currentActor, currentSignal, setBroker, Worker } from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

/** Pages that were sent; with several workers, keep this set in a database. */
const seen = new Set<string>();
const found = new Map<string, number>();

const crawl = actor(async function crawl(url: string) {
  const response = await fetch(url, { signal: currentSignal() });
  const links = [...(await response.text()).matchAll(/href="([^"]+)"/g)]
    .map(([, link]) => new URL(link!, url).href);
  found.set(new URL(url).pathname, links.length);
  const unseen = links.filter((link) => !seen.has(link) && seen.add(link));
  // In a named function, `crawl` is the function; `currentActor` gives its actor.
  await currentActor(crawl).sendMany(unseen.map((link) => [link]));
}, { queueName: "pages", maxRetries: 3, timeLimit: 10_000 });

const pages: Record<string, string> = {
  "/": '<a href="/news">News</a> <a href="/about">About</a>',
  "/about": '<a href="/">Home</a>',
  "/news": '<a href="/news/old">Old</a> <a href="/">Home</a>',
  "/news/old": "Nothing",
};
const site = createServer(({ url = "" }, response) => response.end(pages[url]));
await once(site.listen(0, "127.0.0.1"), "listening");
const start = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
seen.add(start);
await crawl.send(start);

const worker = new Worker(broker, { concurrency: 4 });
await worker.start();
await broker.join("pages");
await worker.stop();
await broker.close();
site.closeAllConnections();
site.close();
for (const [path, count] of [...found].toSorted()) {
  console.log(`${path}: ${count} ${count === 1 ? "link" : "links"}`);
}
