import { escapeText } from "../../platform/escape.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage, shorten } from "../../platform/thrown.ts";
import type { Context } from "../context.ts";
import type { Notice } from "../notices.ts";
import type { Action, Right } from "../options.ts";

const log = /* @__PURE__ */ getLogger("dashboard");

/** Maximum of ids in a log record. */
const MAX_IDS = 20;
/** Maximum of characters of a text in a log record. */
const MAX_TEXT = 300;

/** A change that a viewer requests. */
export interface ChangeRequest {
  /** The right that it needs. */
  readonly right: Right;
  /** Name of the action in log records and for `onAction`, such as `requeue`. */
  readonly action: string;
  /** Past tense of the action, such as `requeued`. */
  readonly past: string;
  readonly queue?: string;
  /** The filter that selects the messages, as text. */
  readonly filter?: string | undefined;
  readonly ids?: readonly string[];
  readonly count?: number;
}

/** Result of a change. */
export interface ChangeResult {
  /** The text for the page. */
  readonly text: string;
  /** Number of changed messages, if it differs from the requested number. */
  readonly count?: number;
}

/** The viewer lacks a right. */
export class Forbidden extends Error {
  /** The missing right. */
  readonly right: Right;

  /** @param right The missing right. */
  constructor(right: Right) {
    super(`You may not do this: it needs the right "${right}"`);
    this.right = right;
  }
}

/**
 * Performs a change if the viewer has the right, and logs it in any case.
 *
 * @param context The context.
 * @param request The change.
 * @param work The implementation.
 * @returns The notice for the next page.
 * @throws {Forbidden} If the viewer lacks the right.
 */
export async function perform(
  context: Context,
  request: ChangeRequest,
  work: () => Promise<ChangeResult>,
): Promise<Notice> {
  const { viewer, options } = context;
  if (!viewer.rights.has(request.right)) {
    audit(context, request, "refused", "no right to do so");
    throw new Forbidden(request.right);
  }
  try {
    await options.onAction?.(actionOf(context, request));
  } catch (error) {
    audit(context, request, "refused", errorMessage(error));
    return { kind: "bad", text: `Nothing was done: ${errorMessage(error)}` };
  }
  try {
    const { text, count } = await work();
    audit(context, count === undefined ? request : { ...request, count }, "done");
    return { kind: "good", text };
  } catch (error) {
    audit(context, request, "failed", errorMessage(error));
    return { kind: "bad", text: errorMessage(error) };
  } finally {
    void context.board.reader.refresh();
  }
}

function actionOf({ viewer }: Context, request: ChangeRequest): Action {
  const { action, queue, filter, ids = [], count = ids.length } = request;
  return { who: viewer.name, action, queue, filter, ids: ids.slice(0, MAX_IDS), count };
}

/**
 * Writes the log record of a change, such as `ada requeued 812 of default where actor=sendMail`.
 *
 * @param outcome Whether it was done.
 * @param reason The reason, if it was not done.
 */
export function audit(
  context: Context,
  request: ChangeRequest,
  outcome: "done" | "refused" | "failed",
  reason?: string,
): void {
  const clean = (text: string) => escapeText(shorten(text, MAX_TEXT));
  const { who, action, queue, filter, ids, count } = actionOf(context, request);
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
    past: outcome === "done" ? request.past : `was not able to ${action}`,
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
