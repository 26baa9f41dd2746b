import type { Context } from "../context.ts";
import { filterText } from "../filter.ts";
import type { SentForm } from "../form.ts";
import type { Operation } from "../operations/operation.ts";
import { bulkChangeOf, MANY } from "../pages/operations.ts";
import { stateName, stateOfName } from "../states.ts";
import { changeVerbOf } from "./change_verbs.ts";
import { audit, type ChangeRequest, perform } from "./perform.ts";
import type { Result } from "./results.ts";

/** Starts an operation. */
export async function startOperation(context: Context, form: SentForm): Promise<Result> {
  const queue = form.hidden("queue");
  const state = stateOfName(form.hidden("state") ?? "");
  const change = bulkChangeOf(form.hidden("change"), state);
  const verb = changeVerbOf(change);
  if (queue === undefined || state === undefined || state === "unacknowledged" || !verb) {
    return { to: "operations", notice: { kind: "bad", text: "There is no such operation" } };
  }
  const [actor, error, since, before] = ["actor", "error", "since", "before"]
    .map((name) => form.hidden(name));
  const expected = Number(form.hidden("expected") ?? NaN);
  const words = wordsOf({ actor, error, since, before });
  const request: ChangeRequest = {
    ...verb,
    past: `began to ${verb.action}`,
    queue,
    filter: `${stateName(state)}${words === undefined ? "" : ` ${words}`}`,
    ...(Number.isFinite(expected) && { count: expected }),
  };
  let operation: Operation | undefined;
  const notice = await perform(context, request, () => {
    if (verb.action === "drop" && !(expected <= MANY) && form.typed("typed") !== queue) {
      throw new RangeError("Nothing was dropped: the name of the queue was not typed");
    }
    const selection = {
      queueName: queue,
      state,
      ...(actor !== undefined && { actorName: actor }),
      ...(error !== undefined && { error }),
      ...(Number.isFinite(Number(since ?? NaN)) && { since: Number(since) }),
      // Defaults to now: without an end it could process messages that it has requeued itself.
      before: Number.isFinite(Number(before ?? NaN)) ? Number(before) : Math.ceil(context.now) + 1,
    };
    operation = context.board.operations.start(
      {
        selection,
        change: verb.action,
        expected: Number.isFinite(expected) ? expected : undefined,
        by: context.viewer.name,
      },
      (ended) => noteEnd(context, { ...verb, queue, filter: request.filter }, ended),
    );
    return Promise.resolve({ text: `Started operation ${operation.id}` });
  });
  return { to: operation === undefined ? "operations" : `operations/${operation.id}`, notice };
}

/** The filter as text, if there is one. */
function wordsOf(filter: Readonly<Record<string, string | undefined>>): string | undefined {
  return filterText(
    Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)),
  );
}

function noteEnd(
  context: Context,
  request: ChangeRequest,
  { done, state, error }: Operation,
): void {
  const outcome = state === "failed" ? "failed" : "done";
  audit(context, { ...request, count: done }, outcome, error);
  void context.board.reader.refresh();
}

/** Stops an operation. */
export async function stopOperation(context: Context, id: number): Promise<Result | undefined> {
  const operation = context.board.operations.get(id);
  if (operation === undefined) return undefined;
  const { change, selection } = operation.request;
  const request: ChangeRequest = {
    right: change === "drop" ? "drop" : "requeue",
    action: "stop",
    past: "stopped operation",
    ids: [`${id}`],
    queue: selection.queueName,
  };
  const notice = await perform(context, request, () => {
    operation.stop();
    return Promise.resolve({ text: `Stopping operation ${id}` });
  });
  return { to: `operations/${id}`, notice };
}
