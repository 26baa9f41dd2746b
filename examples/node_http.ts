// A server on node:http that sends messages. Its workers: node worker.ts examples/several_files/mails.ts
// Run: DRAMATIQ_BROKER_URL=sqlite:tasks.db node examples/node_http.ts
// Answers: curl -d '{"address":"ada@example.com"}' 127.0.0.1:8000/mails → 202 {"id":"…"}
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { json } from "node:stream/consumers";
import { BrokerConnectionError } from "@dq/dramatiq";
import { broker } from "./several_files/broker.ts";
import { sendMail } from "./several_files/mails.ts";

const server = createServer(async (request, response) => {
  const [status, body] = await answer(request);
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
});

async function answer(request: IncomingMessage): Promise<[status: number, body: object]> {
  if (request.method !== "POST" || request.url !== "/mails") return [404, { error: "not found" }];
  const body = await json(request).catch(() => null) as { address?: unknown } | null;
  if (typeof body?.address !== "string") return [400, { error: "address is missing" }];
  try {
    const message = await sendMail.send(body.address, "Welcome"); // stored when this resolves
    return [202, { id: message.messageId }];
  } catch (error) {
    console.error(error);
    if (!(error instanceof BrokerConnectionError)) return [500, { error: "internal error" }];
    // "none": the message is not stored; "unknown": it may be.
    return [503, { error: "try again later", delivery: error.delivery }];
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, async () => { // npm and the terminal may both send one
    server.close(); // accepts no more connections, and closes idle ones
    await once(server, "close"); // requests are answered first
    await broker.close();
  });
}

server.listen(Number(process.env["PORT"] ?? 8000), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
