import { html } from "hono/html";
import { segment } from "../address.ts";
import type { Context } from "../context.ts";
import { count, rate, span, time } from "../html/numbers.ts";
import { empty, table } from "../html/table.ts";
import { type Content, type Html, text } from "../html/text.ts";
import type { QueueOverview } from "../../core/inspection.ts";
import { ageOf, figuresOf, type Snapshot } from "../snapshot.ts";
import { activity } from "./activity.ts";
import { pauseTag, pausing } from "./pausing.ts";

/** Milliseconds of waiting from which a queue is marked as late. */
export const LATE = 300_000;
/** Share of failed messages in a minute from which it is marked. */
const MANY_FAILED = 0.1;

/** The first page: the figures, the queues, the actors. */
export function queuesLive(context: Context): Content {
  const { snapshot } = context.reading;
  if (snapshot === undefined) return "";
  return html`${figures(snapshot)}${queueTable(context, snapshot)}${source(snapshot)}${
    activity(context, snapshot)
  }`;
}

function figures(snapshot: Snapshot): Html {
  const all = figuresOf(snapshot);
  const { oldest, oldestQueue, donePerSecond, failedPerMinute, died } = all;
  const finished = (donePerSecond ?? 0) * 60 + (failedPerMinute ?? 0);
  const failsOften = (failedPerMinute ?? 0) > 0 &&
    failedPerMinute! / finished > MANY_FAILED;
  const share = finished === 0 ? 0 : 100 * (failedPerMinute ?? 0) / finished;
  const { length } = snapshot.queues;
  const running = all.running === undefined ? "–" : count(all.running);
  return html`<dl class="figures">${[
    figure("Waiting", count(all.ready), `on ${length} ${length === 1 ? "queue" : "queues"}`),
    figure(
      "Oldest waits",
      span(oldest),
      oldestQueue === undefined ? "" : html`on ${text(oldestQueue, 40)}`,
      (oldest ?? 0) > LATE,
    ),
    figure("Running", running, all.slots === undefined ? "" : `of ${count(all.slots)} slots`),
    figure("Done per second", rate(donePerSecond), "in the last minute"),
    figure("Failed per minute", count(failedPerMinute), `${share.toFixed(1)} %`, failsOften),
    figure(
      "Dead, 10 min",
      died === undefined ? "–" : died > 0 ? `+${count(died)}` : "0",
      `${count(all.dead)} in all`,
      (died ?? 0) > 0,
    ),
  ]}</dl>`;
}

function figure(label: string, value: string, below: Content, isLate = false): Html {
  return html`
    <div class="figure${isLate ? " late" : ""}">
      <dt>${label}</dt>
      <dd>${value}${isLate ? " ▲" : ""}<small class="of">${below}</small></dd>
    </div>
  `;
}

function queueTable(context: Context, snapshot: Snapshot): Html {
  const { queues } = snapshot;
  if (queues.length === 0) {
    return empty(
      "There is no queue yet.",
      html`A queue appears here once a worker serves it or a message is sent to it:
        <code>await myActor.send(…)</code>`,
    );
  }
  return table(
    "Queues",
    [
      { label: "Queue" },
      { label: "Waiting", kind: "num" },
      { label: "Oldest", kind: "num" },
      { label: "Delayed", kind: "num" },
      { label: "In flight", kind: "num" },
      { label: "Dead", kind: "num" },
      { label: "State" },
      { label: html`<span class="sr">Actions</span>`, kind: "act" },
    ],
    queues.map((one) => queueRow(context, snapshot, one)),
    "queues",
  );
}

function queueRow(context: Context, snapshot: Snapshot, queue: QueueOverview): Html {
  const { root } = context.address;
  const { queueName } = queue;
  const age = ageOf(snapshot, queue);
  const isLate = (age ?? 0) > LATE && !snapshot.paused?.has(queueName);
  const link = (state: string, value: number | undefined) =>
    value === undefined
      ? "–"
      : html`<a class="${value === 0 ? "zero" : ""}" href="${root}queues/${
        segment(queueName)
      }/${state}">${count(value)}</a>`;
  return html`
    <tr id="q-${segment(queueName)}" class="${isLate ? "late" : ""}">
      <th scope="row"><a href="${root}queues/${segment(queueName)}/waiting">${text(
        queueName,
      )}</a></th>
      <td class="num">${link("waiting", queue.ready)}</td>
      <td class="num${isLate ? " bad" : ""}">${span(age)}${isLate ? " ▲" : ""}</td>
      <td class="num">${link("delayed", queue.delayed)}</td>
      <td class="num">${link("running", queue.unacknowledged)}</td>
      <td class="num">${link("dead", queue.dead)}</td>
      <td class="wide">${stateOf(context, snapshot, queue)}</td>
      <td class="act">${pauseAction(context, queueName)}</td>
    </tr>
  `;
}

function stateOf({ now }: Context, snapshot: Snapshot, queue: QueueOverview): Html {
  const paused = snapshot.paused?.get(queue.queueName);
  if (paused !== undefined) return pauseTag(paused, now);
  const served = snapshot.workers?.some(({ queues }) => queues.includes(queue.queueName)) ??
    (queue.consumers ?? 0) > 0;
  if (served || (queue.consumers ?? 0) > 0) return html`<span class="tag good">working</span>`;
  return (queue.ready ?? 0) > 0
    ? html`<span class="tag bad">▲ no worker</span>`
    : html`<span class="tag">no worker</span>`;
}

/** Pauses or resumes a queue. */
export function pauseAction(context: Context, queueName: string): Content {
  const paused = context.reading.snapshot?.paused;
  const action = `${context.address.root}queues/${segment(queueName)}/`;
  return pausing(context, action, queueName, paused);
}

/** Text about the time of the figures, and the workers that they include. */
function source(snapshot: Snapshot): Html {
  const { workers, history, now, isPartial } = snapshot;
  const silent = workers?.filter((one) => !one.hasReport).length ?? 0;
  const reporting = (workers?.length ?? 0) - silent;
  const counts = workers === undefined || history === undefined
    ? "The broker does not tell what workers do."
    : `Throughput counts ${reporting} ${reporting === 1 ? "worker" : "workers"}${
      silent === 0
        ? ""
        : `; ${silent} in Python, or without reports, ${silent === 1 ? "is" : "are"} not counted`
    }.`;
  return html`<p class="soft">Numbers of ${time(now, now)} UTC. ${counts}${
    isPartial ? " There are more queues than are shown." : ""
  }</p>`;
}
