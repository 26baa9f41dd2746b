import type { Context } from "../context.ts";
import type { SentForm } from "../form.ts";
import { type ChangeRequest, perform } from "./perform.ts";
import { controlOf, reasonBy, type Result } from "./results.ts";

/** Pauses, resumes or triggers a schedule. */
export async function changeSchedule(
  context: Context,
  name: string,
  verb: string,
  form: SentForm,
): Promise<Result | undefined> {
  const { board, viewer } = context;
  const past = verb === "pause"
    ? "paused schedule"
    : verb === "resume"
    ? "resumed schedule"
    : verb === "trigger"
    ? "triggered schedule"
    : undefined;
  if (past === undefined) return undefined;
  const right = verb === "trigger" ? "trigger" : "pause";
  const request: ChangeRequest = { right, action: verb, past, ids: [name] };
  const notice = await perform(context, request, async () => {
    const control = controlOf(board);
    if (verb === "trigger") {
      const { messageId } = await control.trigger(name);
      return { text: `Sent message ${messageId} of schedule ${name}` };
    }
    if (verb === "resume") {
      await control.resumeSchedule(name);
      return { text: `Resumed schedule ${name}` };
    }
    await control.pauseSchedule(name, { reason: reasonBy(viewer.name, form.typed("reason")) });
    return { text: `Paused schedule ${name}` };
  });
  return { to: "schedules", notice };
}
