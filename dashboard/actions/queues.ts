import { segment } from "../address.ts";
import type { Context } from "../context.ts";
import type { SentForm } from "../form.ts";
import type { MessageState } from "../../core/inspection.ts";
import { stateName } from "../states.ts";
import { MANY } from "../pages/operations.ts";
import { toRef } from "../pages/message_table.ts";
import { changeVerbOf } from "./change_verbs.ts";
import { type ChangeRequest, perform } from "./perform.ts";
import { controlOf, outcomeOf, reasonBy, type Result } from "./results.ts";
import { counted } from "../../platform/counted.ts";

/** Drops all messages of a queue that are in one state. */
export async function purge(
  context: Context,
  queue: string,
  state: MessageState,
  form: SentForm,
): Promise<Result> {
  const to = `queues/${segment(queue)}/${stateName(state)}`;
  const request: ChangeRequest = {
    right: "purge",
    action: "purge",
    past: "purged",
    queue,
    filter: stateName(state),
  };
  const notice = await perform(context, request, async () => {
    if (state === "unacknowledged") throw new RangeError("Running messages cannot be purged");
    const expected = Number(form.hidden("expected") ?? NaN);
    if (!(expected <= MANY) && form.typed("typed") !== queue) {
      throw new RangeError("Nothing was dropped: the name of the queue was not typed");
    }
    const count = await context.board.inspector.purge(queue, state);
    return { text: `Dropped ${count} ${counted(count, "message(s)")} of ${queue}`, count };
  });
  return { to, notice };
}

/** Changes the messages that were selected in a list. */
export async function changeSelected(
  context: Context,
  queue: string,
  state: MessageState,
  form: SentForm,
): Promise<Result> {
  const to = `queues/${segment(queue)}/${stateName(state)}`;
  const change = form.typed("change");
  const verb = changeVerbOf(change);
  if (verb === undefined) {
    return { to, notice: { kind: "bad", text: "There is no such action" } };
  }
  const values = form.all("key");
  if (values.length === 0) {
    return { to, notice: { kind: "bad", text: "No message was selected" } };
  }
  const refs = values.map((value) => toRef(value, queue, state));
  const request: ChangeRequest = { ...verb, queue, ids: refs.map(({ key }) => key) };
  const notice = await perform(
    context,
    request,
    async () => outcomeOf(await context.board.inspector.change(refs, verb.action), verb.label),
  );
  return { to, notice };
}

/** Cancels all messages of an actor on a queue. */
export async function cancelActor(
  context: Context,
  queue: string,
  form: SentForm,
): Promise<Result> {
  const { board, viewer } = context;
  const to = `queues/${segment(queue)}/waiting`;
  const actor = form.typed("actor");
  if (actor === undefined) return { to, notice: { kind: "bad", text: "Name an actor" } };
  const before = Number(form.hidden("before") ?? NaN);
  const request: ChangeRequest = {
    right: "cancel",
    action: "cancel",
    past: "cancelled",
    queue,
    filter: `actor=${actor}`,
  };
  const notice = await perform(context, request, async () => {
    await controlOf(board).cancelAll({ queue, actor, ...(before > 0 && { before }) }, {
      keep: true,
      reason: reasonBy(viewer.name, form.typed("reason")),
    });
    return { text: `Cancelled the messages of ${actor} on ${queue} that were sent until now` };
  });
  return { to, notice };
}
