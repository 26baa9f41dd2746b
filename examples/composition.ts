// A pipeline, whose results are passed on, and a group, whose members run side by side.
// Run: deno run -A examples/composition.ts
// Prints: 2 words and 3 words | 5 words in all
import process from "node:process";
import {
  actor,
  brokerFromUrl,
  group,
  pipeline,
  Results,
  setBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
broker.addMiddleware(new Results({ backend: new StubResultBackend() }));
setBroker(broker);

const countWords = actor(function countWords(text: string) {
  return text.split(" ").length;
}, { storeResults: true });

const add = actor(function add(a: number, b: number) {
  return a + b;
}, { storeResults: true });

const label = actor(function label(text: string, count: number) {
  return `${count} ${text}`;
}, { storeResults: true });

const worker = new Worker(broker);
await worker.start();

const both = group([
  pipeline([countWords.message("be quick"), label.message("words")]),
  pipeline([countWords.message("or be late"), label.message("words")]),
]);
await both.run();
const results = await Array.fromAsync(both.getResults({ block: true, timeout: 10_000 }));
console.log(results.join(" and "));

// Each result becomes the last argument of the next message.
const chain = countWords.message("be quick").pipe(add.message(3)).pipe(
  label.message("words in all"),
);
await chain.run();
console.log(await chain.getResult({ block: true, timeout: 10_000 }));

await worker.stop();
await broker.close();
