import type { Context } from "../context.ts";
import type { SentForm } from "../form.ts";
import type { Right } from "../options.ts";
import { type ChangeRequest, perform } from "./perform.ts";
import { controlOf, reasonBy, type Result } from "./results.ts";

/** A kind of target that can be paused, with the right and the verbs. */
interface Pausable {
  readonly right: Right;
  /** Page after the action. */
  readonly to: string;
  /** The verb that pauses it, and its past tense. */
  readonly verb: string;
  readonly past: string;
}

const PAUSABLES: Readonly<Record<"queue" | "actor" | "worker", Pausable>> = {
  queue: { right: "pause", to: "", verb: "pause", past: "paused" },
  actor: { right: "pause", to: "", verb: "pause", past: "paused" },
  worker: { right: "quiet", to: "workers", verb: "quiet", past: "quieted" },
};

/**
 * Pauses or resumes a queue, an actor or a worker.
 *
 * @param kind The kind of target.
 * @param name Name of the queue or actor, or id of the worker.
 * @param verb `resume`, or the verb that pauses the target.
 * @returns The next page; `undefined` if the verb is unknown.
 */
export async function pauseOrResume(
  context: Context,
  kind: "queue" | "actor" | "worker",
  name: string,
  verb: string,
  form: SentForm,
): Promise<Result | undefined> {
  const { board, viewer } = context;
  const pausable = PAUSABLES[kind];
  if (verb !== pausable.verb && verb !== "resume") return undefined;
  const past = verb === "resume" ? "resumed" : pausable.past;
  const request: ChangeRequest = {
    right: pausable.right,
    action: verb,
    past: kind === "queue" ? past : `${past} ${kind}`,
    ...(kind === "queue" ? { queue: name } : { ids: [name] }),
  };
  const notice = await perform(context, request, async () => {
    const control = controlOf(board);
    const target = { [kind]: name };
    if (verb !== "resume") {
      await control.pause(target, { reason: reasonBy(viewer.name, form.typed("reason")) });
      return { text: `${past === "paused" ? "Paused" : "Quieted"} ${name}` };
    }
    const wasPaused = await control.resume(target);
    return { text: wasPaused ? `Resumed ${name}` : `${name} was not paused` };
  });
  return { to: pausable.to, notice };
}
