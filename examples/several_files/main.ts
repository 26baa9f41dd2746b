// Actors in several modules; on a server: deno task worker examples/several_files/pictures.ts
// Run: deno run -A examples/several_files/main.ts
// Prints: resized cat.png | mail to ada@example.com: cat.png is ready
import { Worker } from "@dq/dramatiq";
import { broker } from "./broker.ts";
import { resize } from "./pictures.ts"; // imports mails.ts: all its actors are declared, too

await resize.send("cat.png", "ada@example.com");

const worker = new Worker(broker);
await worker.start();
await broker.join("pictures");
await broker.join("mails");
await worker.stop();
await broker.close();
