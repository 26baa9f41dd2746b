import { escapeText } from "../../platform/escape.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage, shorten } from "../../platform/thrown.ts";
import type { Context } from "../context.ts";
import type { Notice } from "../notices.ts";
import type { Action, Right } from "../options.ts";

const log = /* @__PURE__ */ getLogger("dashboard");

/** Ids that a log line names. */
const MAX_IDS = 20;
const MAX_TEXT = 300;

/** Something that a viewer wants to change. */
export interface Deed {
  /** Right that they need. */
  readonly right: Right;
  /** Name of the action in log lines and for `onAction`: `requeue`. */
  readonly action: string;
  /** The same as a verb of the past: `requeued`. */
  readonly past: string;
  readonly queue?: string;
  /** Which messages, in words. */
  readonly filter?: string | undefined;
  readonly ids?: readonly string[];
  readonly count?: number;
}

/** Result of work on many messages. */
export interface Done {
  /** For the page. */
  readonly text: string;
  /** Number of changed messages, if that is not the number wanted. */
  readonly count?: number;
}

/** The viewer lacks a right. */
export class Forbidden extends Error {
  /** The right. */
  readonly right: Right;

  /** Says which right. */
  constructor(right: Right) {
    super(`You may not do this: it needs the right "${right}"`);
    this.right = right;
  }
}

/**
 * Does what a viewer wants, if they may, and logs it in any case.
 *
 * @param context The request.
 * @param deed What they want.
 * @param work Does it.
 * @returns What to tell them.
 * @throws {Forbidden} If they may not.
 */
export async function perform(
  context: Context,
  deed: Deed,
  work: () => Promise<Done>,
): Promise<Notice> {
  const { viewer, options } = context;
  if (!viewer.rights.has(deed.right)) {
    audit(context, deed, "refused", "no right to do so");
    throw new Forbidden(deed.right);
  }
  try {
    await options.onAction?.(actionOf(context, deed));
  } catch (error) {
    audit(context, deed, "refused", errorMessage(error));
    return { kind: "bad", text: `Nothing was done: ${errorMessage(error)}` };
  }
  try {
    const { text, count } = await work();
    audit(context, count === undefined ? deed : { ...deed, count }, "done");
    return { kind: "good", text };
  } catch (error) {
    audit(context, deed, "failed", errorMessage(error));
    return { kind: "bad", text: errorMessage(error) };
  } finally {
    void context.board.reader.refresh();
  }
}

function actionOf({ viewer }: Context, deed: Deed): Action {
  const { action, queue, filter, ids = [], count = ids.length } = deed;
  return { who: viewer.name, action, queue, filter, ids: ids.slice(0, MAX_IDS), count };
}

/**
 * Writes the line of an action: `ada requeued 812 of default where actor=sendMail`.
 *
 * @param outcome Whether it was done.
 * @param reason Why not.
 */
export function audit(
  context: Context,
  deed: Deed,
  outcome: "done" | "refused" | "failed",
  reason?: string,
): void {
  const clean = (text: string) => escapeText(shorten(text, MAX_TEXT));
  const { who, action, queue, filter, ids, count } = actionOf(context, deed);
  const properties = {
    who: clean(who),
    action,
    queue: queue === undefined ? undefined : clean(queue),
    filter: filter === undefined ? undefined : clean(filter),
    ids: ids.map(clean),
    count,
    outcome,
    reason: reason === undefined ? undefined : clean(reason),
    broker: context.board.name === "" ? undefined : clean(context.board.name),
    past: outcome === "done" ? deed.past : `was not able to ${action}`,
    subject: subjectOf({ queue, filter, ids, count }, clean),
  };
  if (outcome === "done") log.info("{who} {past} {subject}", properties);
  else if (outcome === "refused") {
    log.warn("Refused to let {who} {action} {subject}: {reason}", properties);
  } else log.error("Failed to {action} {subject} for {who}: {reason}", properties);
}

function subjectOf(
  { queue, filter, ids, count }: Pick<Action, "queue" | "filter" | "ids" | "count">,
  clean: (text: string) => string,
): string {
  const named = ids.length === 1 ? clean(ids[0]!) : count === 0 ? "" : `${count}`;
  const where = filter === undefined ? "" : ` where ${clean(filter)}`;
  if (queue === undefined) return `${named}${where}`;
  return named === "" ? `${clean(queue)}${where}` : `${named} of ${clean(queue)}${where}`;
}
