import { segment } from "../address.ts";
import type { Context } from "../context.ts";
import type { SentForm } from "../form.ts";
import type { MessageRef } from "../../core/inspection.ts";
import { stateName } from "../states.ts";
import { changeVerbOf } from "./change_verbs.ts";
import { type ChangeRequest, perform } from "./perform.ts";
import { controlOf, outcomeOf, reasonBy, type Result } from "./results.ts";

/** Changes or cancels one message. */
export async function changeMessage(
  context: Context,
  ref: MessageRef,
  verb: string,
  form: SentForm,
): Promise<Result | undefined> {
  const to = `queues/${segment(ref.queueName)}/${stateName(ref.state)}`;
  if (verb === "cancel") return await cancel(context, form, to, ref.queueName);
  const change = changeVerbOf(verb);
  if (change === undefined) return undefined;
  const request: ChangeRequest = { ...change, queue: ref.queueName, ids: [ref.key] };
  const notice = await perform(
    context,
    request,
    async () => outcomeOf(await context.board.inspector.change([ref], change.action), change.label),
  );
  return { to, notice };
}

/** Cancels one message in any state. */
export async function cancel(
  context: Context,
  form: SentForm,
  to: string,
  queue?: string,
): Promise<Result> {
  const { board, viewer } = context;
  const id = form.hidden("id");
  if (id === undefined) return { to, notice: { kind: "bad", text: "No message was named" } };
  const request: ChangeRequest = {
    right: "cancel",
    action: "cancel",
    past: "cancelled",
    ids: [id],
    ...(queue !== undefined && { queue }),
  };
  const notice = await perform(context, request, async () => {
    await controlOf(board).cancel(id, {
      keep: true,
      reason: reasonBy(viewer.name, form.typed("reason")),
    });
    board.addCancellation(id, viewer.name);
    return { text: `Cancelled message ${id}: it goes to the dead letters` };
  });
  return { to, notice };
}
