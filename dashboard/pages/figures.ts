import { html } from "hono/html";
import type { Context, Page } from "../context.ts";
import { button } from "../html/forms.ts";
import { isoTime } from "../html/numbers.ts";
import { text } from "../html/text.ts";
import { figuresOf, ratesByActor } from "../snapshot.ts";
import { runningRows } from "./running_live.ts";

/** The first page: all queues. */
export function queuesPage({ reading: { snapshot, outage }, address: { root } }: Context): Page {
  return {
    title: "Queues",
    place: "queues",
    live: { name: "queues" },
    body: outage === undefined
      ? html`<div class="row soft">Is a queue missing? ${
        button(`${root}discover`, "Look for more")
      }</div>`
      : "",
    json: snapshot && {
      now: isoTime(snapshot.now),
      figures: figuresOf(snapshot),
      queues: snapshot.queues.map(({ headSince, ...queue }) => ({
        ...queue,
        headSince: isoTime(headSince),
        paused: snapshot.paused?.get(queue.queueName),
      })),
      actors: snapshot.history && Object.fromEntries(ratesByActor(snapshot.history)),
    },
  };
}

/** Running messages. */
export function runningPage({ reading: { snapshot }, url }: Context, queueName?: string): Page {
  const queue = queueName ?? (url.searchParams.get("queue") || undefined);
  return {
    title: queue === undefined ? "Running" : `Running of ${queue}`,
    heading: queue === undefined ? "Running" : html`Running of ${text(queue)}`,
    place: "running",
    live: { name: "running", values: { queue, from: url.searchParams.get("from") ?? undefined } },
    json: runningRows(snapshot, queue).map(({ worker, message: { since, ...message } }) => ({
      ...message,
      since: isoTime(since),
      worker: worker.id,
    })),
  };
}

/** The workers. */
export function workersPage({ reading: { snapshot } }: Context): Page {
  return {
    title: "Workers",
    place: "workers",
    live: { name: "workers" },
    json: snapshot?.workers?.map(({ bootedAt, seenAt, messages: _, ...worker }) => ({
      ...worker,
      bootedAt: isoTime(bootedAt),
      seenAt: isoTime(seenAt),
    })),
  };
}
