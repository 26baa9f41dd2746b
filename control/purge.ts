import type { Broker } from "../core/broker.ts";
import { Cancelled } from "../core/interrupt.ts";
import type { InspectedMessage, Inspector, MessageQuery, MessageRef } from "../core/inspection.ts";
import { Message } from "../core/message.ts";
import { MessageProxy } from "../core/message_proxy.ts";
import { about, getLogger } from "../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("control");

/** Number of messages per page. */
const PAGE = 200;
/** States of messages that no worker has received. */
const STATES = ["ready", "delayed"] as const;

/** Messages to drop. */
export interface PurgeTarget {
  readonly actorName: string | undefined;
  /** A queue; `undefined` for all queues on the server. */
  readonly queueName: string | undefined;
  /** Only messages made before this time, in milliseconds since the epoch. */
  readonly before: number;
  readonly reason: string;
}

/**
 * Asserts that the messages of a broker can be read and dropped one by one.
 *
 * @throws {TypeError} If they cannot.
 */
export async function assertCanPurge(broker: Broker): Promise<void> {
  const inspector = broker.inspect();
  try {
    for (const ability of ["browse:ready", "browse:delayed", "remove"] as const) {
      const reason = inspector.whyNot(ability);
      if (reason !== undefined) throw new TypeError(`Cannot purge cancelled messages: ${reason}`);
    }
  } finally {
    await inspector[Symbol.asyncDispose]();
  }
}

/**
 * Drops waiting and delayed messages that are cancelled, and runs the hooks that a worker would
 * run. A message that a worker receives meanwhile is dropped by that worker.
 *
 * @param broker The broker.
 * @param target The messages. Their cancellation has been stored before.
 */
export async function purgeCancelled(broker: Broker, target: PurgeTarget): Promise<void> {
  const inspector = broker.inspect();
  try {
    const queues = target.queueName === undefined
      ? await queueNamesOf(broker, inspector)
      : [target.queueName];
    for (const queueName of queues) {
      for (const state of STATES) await purgeState(broker, inspector, target, queueName, state);
    }
  } finally {
    await inspector[Symbol.asyncDispose]();
  }
}

/** The queues that a broker declares, and those that it finds on its server. */
async function queueNamesOf(broker: Broker, inspector: Inspector): Promise<Iterable<string>> {
  const { queues } = await inspector.overview();
  return new Set([...broker.queues, ...queues.map(({ queueName }) => queueName)]);
}

async function purgeState(
  broker: Broker,
  inspector: Inspector,
  target: PurgeTarget,
  queueName: string,
  state: typeof STATES[number],
): Promise<void> {
  const { actorName } = target;
  const query: MessageQuery = {
    queueName,
    state,
    limit: PAGE,
    ...(actorName !== undefined && { actorName }),
  };
  let after: string | undefined = undefined;
  for (let isLast = false; !isLast;) {
    const page = await inspector.list(after === undefined ? query : { ...query, after });
    const dropped = await dropCancelled(broker, inspector, target, page.messages);
    if (dropped > 0) continue; // read the page again: later messages have moved up
    after = page.next;
    isLast = after === undefined;
  }
}

/** @returns Number of messages that were dropped. */
async function dropCancelled(
  broker: Broker,
  inspector: Inspector,
  target: PurgeTarget,
  messages: readonly InspectedMessage[],
): Promise<number> {
  const refs: MessageRef[] = [];
  const deliveries: MessageProxy[] = [];
  for (const found of messages) {
    const delivery = await cancelledOf(broker, inspector, found, target);
    if (delivery === undefined) continue;
    refs.push(found.ref);
    deliveries.push(delivery);
  }
  if (refs.length === 0) return 0;
  const outcomes = await inspector.change(refs, "drop");
  const dropped = deliveries.filter((_, i) => outcomes[i]!.outcome === "done");
  for (const delivery of dropped) await broker.emit("afterAck", delivery);
  return dropped.length;
}

/** Runs the hooks of a cancelled message. @returns Its delivery; `undefined` if it must stay. */
async function cancelledOf(
  broker: Broker,
  inspector: Inspector,
  found: InspectedMessage,
  { before, reason }: PurgeTarget,
): Promise<MessageProxy | undefined> {
  const whole = found.isCut ? await inspector.get(found.ref) : found;
  const { message } = whole ?? {};
  if (!(message instanceof Message) || message.messageTimestamp >= before) return undefined;
  const delivery = new MessageProxy(message);
  try {
    await broker.emit("beforeProcessMessage", delivery);
    await broker.emit("afterSkipMessage", delivery, new Cancelled(reason));
    await broker.emit("beforeAck", delivery);
    return delivery;
  } catch (error) {
    log.warn("Left cancelled message {messageId} of {actor} to a worker: {reason}", {
      ...about(delivery, error),
    });
    return undefined;
  }
}
