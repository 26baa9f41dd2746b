// Group callbacks: an album is published when all its pictures are ready, and counted when all were tried.
// Run: deno run -A examples/limits/group_callback.ts [redis://127.0.0.1:6379]
// Prints: holidays: published | holidays: all tried | 3 pictures | garden: all tried | 4 pictures
import process from "node:process";
import {
  actor,
  group,
  GroupCallbacks,
  RedisBroker,
  RedisRateLimiterBackend,
  setBroker,
  StubBroker,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";

const url = process.argv[2];
// In tests `join` throws what an actor threw; here pictures may be broken.
await using broker = url === undefined
  ? new StubBroker({ failFast: false })
  : new RedisBroker({ url });
await using backend = url === undefined
  ? new StubRateLimiterBackend()
  : new RedisRateLimiterBackend({ url });
broker.addMiddleware(new GroupCallbacks(backend));
setBroker(broker);

let ready = 0;
class Broken extends Error {}

const resize = actor(function resize(picture: string) {
  if (picture.endsWith(".broken")) throw new Broken(`Cannot read ${picture}`);
  ready += 1;
}, { queueName: "albums", throws: Broken });

const publish = actor(function publish(album: string) {
  console.log(`${album}: published`);
}, { queueName: "albums" });

const sumUp = actor(function sumUp(album: string) {
  console.log(`${album}: all tried`);
}, { queueName: "albums" });

async function processAlbum(album: string, pictures: readonly string[]): Promise<void> {
  const all = group(pictures.map((picture) => resize.message(picture)));
  all.addCompletionCallback(publish.message(album)); // when all have succeeded
  all.addCompletionCallback(sumUp.message(album), { when: "settled" });
  await all.run();
  await broker.join("albums");
}

await using worker = new Worker(broker, { concurrency: 1 });
await worker.start();
await processAlbum("holidays", ["beach.png", "hut.png", "sea.png"]);
console.log(`${ready} pictures`);
await processAlbum("garden", ["rose.png", "frog.broken"]);
console.log(`${ready} pictures`);
