import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { isUnavailable } from "../../clients/redis/errors.ts";
import { DROP, RELEASE } from "./delayed_scripts.ts";
import { DueDelivery, type RedisDelivery } from "./delivery.ts";
import { MAX_BATCH, REQUEUE } from "./scripts.ts";
import { type RedisSession, runAtMostOnce } from "./session.ts";

const log = /* @__PURE__ */ getLogger("redis", "consumer");

/**
 * Gives deliveries back to their queue: fetched ones by requeuing them, delayed ones by ending their
 * loan.
 *
 * @param session The broker.
 * @param queueName The queue or delay queue.
 * @param deliveries The deliveries.
 * @param hasSuspects Whether suspects may be among them, whose marks are then removed.
 */
export async function giveBack(
  session: RedisSession,
  queueName: string,
  deliveries: readonly RedisDelivery[],
  hasSuspects: boolean,
): Promise<void> {
  const due = deliveries.filter((one) => one instanceof DueDelivery);
  if (due.length === 0) return await putBack(session, queueName, deliveries, hasSuspects);
  const { connection, serverClock, keys } = session;
  const ids = due.map(({ id }) => id);
  const { etas } = keys.of(queueName);
  await connection.runWithRetry(RELEASE, [etas], () => [serverClock.argument, ...ids]);
  const fetched = deliveries.filter((one) => !(one instanceof DueDelivery));
  await putBack(session, queueName, fetched, hasSuspects);
}

/**
 * Requeues messages, at most once: when a reply is lost, another consumer of this broker may have
 * fetched them again already. Messages that were not requeued are recovered by `LostDeliveries`.
 */
async function putBack(
  session: RedisSession,
  queueName: string,
  deliveries: readonly RedisDelivery[],
  hasSuspects: boolean,
): Promise<void> {
  const { queue, messages, unacknowledged, suspects } = session.keys.of(queueName);
  const keys = [queue, messages, unacknowledged, ...(hasSuspects ? [suspects] : [])];
  for (let i = 0; i < deliveries.length; i += MAX_BATCH) {
    const ids = deliveries.slice(i, i + MAX_BATCH).map(({ id }) => id);
    try {
      await runAtMostOnce(session, REQUEUE, keys, ids);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      log.debug("Failed to requeue messages of {queue}, will retry: {reason}", {
        queue: queueName,
        reason: errorMessage(error),
      });
    }
  }
}

/** Acknowledges delayed messages. Promoted ones have left the delay queue. */
export async function dropDue(
  { connection, keys }: RedisSession,
  queueName: string,
  deliveries: readonly RedisDelivery[],
): Promise<void> {
  const left = deliveries.filter((one) => one instanceof DueDelivery && !one.isPromoted);
  if (left.length === 0) return;
  const { etas, delayed } = keys.of(queueName);
  await connection.run(DROP, [etas, delayed], left.map(({ id }) => id));
}
