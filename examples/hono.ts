// A Hono application that sends messages. Its workers: deno task worker examples/several_files/mails.ts
// Run: DRAMATIQ_BROKER_URL=sqlite:tasks.db deno serve -A examples/hono.ts (or: bun examples/hono.ts, on port 3000)
// Answers: curl -d '{"address":"ada@example.com"}' 127.0.0.1:8000/mails → 202 {"id":"…"}
import { Hono } from "hono";
import { BrokerConnectionError } from "@dq/dramatiq";
import { sendMail } from "./several_files/mails.ts";

const app = new Hono()
  .post("/mails", async (context) => {
    const { address } = await context.req.json<{ address?: unknown }>();
    if (typeof address !== "string") return context.json({ error: "address is missing" }, 400);
    const message = await sendMail.send(address, "Welcome"); // stored when this resolves
    return context.json({ id: message.messageId }, 202);
  })
  .onError((error, context) => {
    if (!(error instanceof BrokerConnectionError)) throw error;
    // "none": the message is not stored; "unknown": it may be.
    return context.json({ error: "try again later", delivery: error.delivery }, 503);
  });

export default app;
