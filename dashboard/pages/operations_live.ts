import { html } from "hono/html";
import { type Context, type LiveView, may } from "../context.ts";
import { filterText } from "../filter.ts";
import { button } from "../html/forms.ts";
import { count, span, time } from "../html/numbers.ts";
import { empty } from "../html/table.ts";
import { type Content, type Html, text } from "../html/text.ts";
import type { Operation } from "../operations/operation.ts";
import { stateName } from "../states.ts";

const VERBS = { requeue: "Requeue", runNow: "Run now", drop: "Drop" } as const;
const ENDS: Readonly<Record<Operation["state"], string>> = {
  running: "at work",
  stopping: "stopping",
  stopped: "stopped",
  done: "done",
  limited: "stopped at the limit of one operation",
  failed: "failed",
};

/** All operations, the latest first. */
export function operationsLive(context: Context): Content {
  const { all } = context.board.operations;
  if (all.length === 0) {
    return empty(
      "No operation has been started here.",
      "Requeue or drop dead letters by error, actor and time from their list.",
    );
  }
  return all.map((one) => show(context, one));
}

/** One operation. */
export function operationLive(context: Context, { id }: NonNullable<LiveView["values"]>): Content {
  const operation = context.board.operations.get(Number(id));
  return operation === undefined ? "" : show(context, operation);
}

/** Description of an operation. */
export function operationText({ request: { change, selection } }: Operation): string {
  const { queueName, state, actorName, error, since, before } = selection;
  const filter = filterText({
    ...(actorName !== undefined && { actor: actorName }),
    ...(error !== undefined && { error }),
    ...(since !== undefined && { since: `${since}` }),
    ...(before !== undefined && { before: `${before}` }),
  });
  return `${VERBS[change]} from the ${stateName(state)} messages of ${queueName}${
    filter === undefined ? "" : `: ${filter}`
  }`;
}

function show(context: Context, one: Operation): Html {
  const { now, address: { root } } = context;
  const { id, request, state, handled, done, gone, failed, error } = one;
  const expected = Math.max(request.expected ?? handled, handled);
  const isOver = !one.isActive;
  const kind = state === "failed" ? "bad" : isOver ? "good" : "";
  return html`
    <section class="panel" id="operation-${id}"
      aria-label="Operation ${id}"><div class="row end"><h2><a href="${root}operations/${id}">Operation ${id}</a> <span class="tag ${kind}">${ENDS[
        state
      ]}</span></h2>${one.isActive && may(context, request.change === "drop" ? "drop" : "requeue")
        ? button(`${root}operations/${id}/stop`, "Stop")
        : ""}</div><p>${text(operationText(one), 1_000)}</p>
    <progress aria-label="Progress of operation ${id}" max="${Math.max(
      1,
      expected,
    )}" value="${isOver && state === "done" ? Math.max(1, expected) : handled}"></progress>
    <p class="soft">${count(handled)} of about ${count(expected)} · ${count(done)} done · ${count(
      gone,
    )} gone · ${count(failed)} failed · by ${text(request.by, 40)}, ${time(
      one.startedAt,
      now,
    )} UTC, ${span((one.endedAt ?? Date.now()) - one.startedAt)}</p>${error === undefined
      ? ""
      : html`<p class="bad">${text(error, 1_000)}</p>`}</section>
  `;
}
