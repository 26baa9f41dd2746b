import type { Broker } from "../core/broker.ts";
import type { QueueOverview } from "../core/inspection.ts";
import { toCanonicalQueueName } from "../core/queue_names.ts";
import { errorMessage } from "../platform/thrown.ts";
import { describeUnknownQueues } from "./unknown_queues.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Collects the values of the repeatable option `--queue`.
 *
 * @param value The name of a queue, or of its delay queue or dead letters.
 * @param previous The names so far.
 * @returns The names of the queues, each once.
 * @throws {UsageError} If no queue can have that name.
 */
export function collectQueue(value: string, previous: readonly string[] = []): string[] {
  try {
    return [...new Set([...previous, toCanonicalQueueName(value, "use queue")])];
  } catch (error) {
    throw new UsageError(errorMessage(error), { cause: error });
  }
}

/**
 * Checks names from the command line.
 *
 * @param declared Queues that the modules declare.
 * @param queueNames The names.
 * @param purpose Completes the sentence "Cannot …".
 * @throws {UsageError} If the modules do not declare one of them.
 */
export function assertDeclared(
  declared: ReadonlySet<string>,
  queueNames: readonly string[],
  purpose: string,
): void {
  const unknown = queueNames.find((name) => !declared.has(name));
  if (unknown === undefined) return;
  throw new UsageError(
    `Cannot ${purpose} "${unknown}": the modules declare no such queue, but ` +
      `${[...declared].join(", ") || "none"}`,
  );
}

/** Queues of a broker that is known by its address alone. */
export interface FoundQueues {
  readonly queues: readonly QueueOverview[];
  /** A sentence about queues that the broker does not list. */
  readonly note: string | undefined;
}

/**
 * Finds queues of a broker whose modules are not imported.
 *
 * @param broker The broker, which supports inspection.
 * @param queueNames The queues; empty for all.
 * @returns The queues, counted.
 * @throws {BrokerConnectionError} If the broker cannot be reached.
 */
export async function findQueues(
  broker: Broker,
  queueNames: readonly string[],
): Promise<FoundQueues> {
  const inspector = broker.inspect();
  try {
    const { queues } = await inspector.overview({ queueNames });
    if (queueNames.length === 0) {
      return { queues, note: queues.length === 0 ? NONE_LISTED : undefined };
    }
    return {
      queues: queues.filter(({ queueName }) => queueNames.includes(queueName)),
      note: await describeUnknownQueues(inspector, queueNames),
    };
  } finally {
    await inspector[Symbol.asyncDispose]();
  }
}

const NONE_LISTED = "The broker lists no queues; name those that it has with --queue";
