import type { Context } from "../context.ts";
import type { SentForm } from "../form.ts";
import type { Right } from "../options.ts";
import { type Deed, perform } from "./perform.ts";
import { controlOf, reasonBy, type Result } from "./results.ts";

/** Something that can be paused: what it needs, and what that is called. */
interface Pausable {
  readonly right: Right;
  /** The page to go back to. */
  readonly to: string;
  /** The verb that pauses it, and its past. */
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
 * @param kind What.
 * @param name Its name; the id of a worker.
 * @param verb `resume`, or what pauses it.
 * @returns Where to go; `undefined` if there is no such verb.
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
  const deed: Deed = {
    right: pausable.right,
    action: verb,
    past: kind === "queue" ? past : `${past} ${kind}`,
    ...(kind === "queue" ? { queue: name } : { ids: [name] }),
  };
  const notice = await perform(context, deed, async () => {
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
