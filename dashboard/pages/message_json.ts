import type { InspectedMessage } from "../../core/inspection.ts";
import { isoTime } from "../html/numbers.ts";
import type { Redactor } from "../redact.ts";
import { stateName } from "../states.ts";

/** A message of a list, for programs. */
export function messageJson(one: InspectedMessage, redactor: Redactor): Record<string, unknown> {
  const { ref } = one;
  return {
    queue: ref.queueName,
    state: stateName(ref.state),
    key: ref.key,
    id: one.messageId,
    actor: one.actorName,
    sentAt: isoTime(one.sentAt),
    eta: isoTime(one.eta),
    diedAt: isoTime(one.diedAt),
    retries: one.retries,
    error: redactor.error(one),
    size: one.size,
  };
}
