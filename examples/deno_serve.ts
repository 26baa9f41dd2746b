// A server on Deno.serve that sends messages, runs them in the same process, and tells results.
// Run: deno run -A examples/deno_serve.ts
// Answers: curl -d 'three little words' 127.0.0.1:8000 → 202 {"id":"…"}; curl 127.0.0.1:8000/ID → {"words":3}
import process from "node:process";
import {
  actor,
  ResultMissing,
  Results,
  setBroker,
  SqliteBroker,
  SqliteResultBackend,
  Worker,
} from "@dq/dramatiq";

const broker = new SqliteBroker({ path: process.env["TASKS_FILE"] ?? "tasks.db" });
const backend = new SqliteResultBackend({ broker });
broker.addMiddleware(new Results({ backend }));
setBroker(broker);

const countWords = actor(function countWords(text: string) {
  return text.trim().split(/\s+/).length;
}, { storeResults: true });

const worker = new Worker(broker);
await worker.start();

const server = Deno.serve(
  { hostname: "127.0.0.1", port: Number(process.env["PORT"] ?? 8000) },
  async (request) => {
    if (request.method === "POST") {
      const { messageId } = await countWords.send(await request.text());
      return Response.json({ id: messageId }, { status: 202 });
    }
    const { queueName, actorName } = countWords;
    const messageId = new URL(request.url).pathname.slice(1);
    try {
      return Response.json({ words: await backend.getResult({ queueName, actorName, messageId }) });
    } catch (error) {
      if (error instanceof ResultMissing) {
        return new Response("not yet, or unknown", {
          status: 404,
        });
      }
      throw error;
    }
  },
);

Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown(); // requests first, then messages
  await worker.stop();
  await broker.close();
  Deno.exit();
});
