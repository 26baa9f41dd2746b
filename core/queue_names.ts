const QUEUE_NAME = /^[A-Za-z_][\w.-]*$/;

/** @returns The name of the queue that holds delayed messages for a queue. */
export function delayQueueName(queueName: string): string {
  return queueName.endsWith(".DQ") ? queueName : `${canonicalQueueName(queueName)}.DQ`;
}

/** @returns The name of the queue that holds dead letters of a queue. */
export function deadLetterQueueName(queueName: string): string {
  return queueName.endsWith(".XQ") ? queueName : `${canonicalQueueName(queueName)}.XQ`;
}

/** @returns The name of the queue that a delay or dead letter queue belongs to. */
export function canonicalQueueName(queueName: string): string {
  return queueName.endsWith(".DQ") || queueName.endsWith(".XQ")
    ? queueName.slice(0, -3)
    : queueName;
}

/**
 * @param queueName A name that an actor or application chose.
 * @throws {TypeError} If it cannot be the name of a queue.
 */
export function assertQueueName(queueName: string): void {
  if (typeof queueName === "string" && canonicalQueueName(queueName) !== queueName) {
    throw new TypeError(
      `Cannot declare queue "${queueName}": names that end in .DQ or .XQ are those of the delayed ` +
        "messages and dead letters of a queue",
    );
  }
  if (typeof queueName !== "string" || !QUEUE_NAME.test(queueName)) {
    throw new TypeError(
      `Cannot declare queue ${JSON.stringify(queueName)}: names start with a letter or ` +
        'underscore and hold letters, digits, "." "_" "-"',
    );
  }
}
