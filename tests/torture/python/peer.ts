/** A message as a program in Python sees it. */
export interface PythonMessage {
  readonly queue_name: string;
  readonly actor_name: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly message_id: string;
  readonly message_timestamp: number;
}

/** A message that a peer has fetched and not acknowledged. */
export interface PythonDelivery {
  readonly message: PythonMessage;
  /** Takes it off its queue. */
  ack(): Promise<void>;
}

/**
 * A broker that speaks to the server as Python's dramatiq was seen to do, and with none of our
 * code. Once anything of it fails it is of no more use: what it holds is for others to recover,
 * as when a process in Python is restarted.
 */
export interface PythonPeer {
  /** Puts a message on its queue. */
  enqueue(message: PythonMessage): Promise<void>;

  /**
   * Fetches messages until the peer fails or is closed.
   *
   * @param queueName The queue or delay queue.
   * @param prefetch How many it holds at most.
   * @param take Gets each; it may be acknowledged much later.
   * @throws What the peer failed with.
   */
  consume(
    queueName: string,
    prefetch: number,
    take: (delivery: PythonDelivery) => void,
  ): Promise<void>;

  /** Puts back what it holds, and disconnects. */
  close(): Promise<void>;

  /** Disconnects at once. */
  abandon(): void;
}

/**
 * Makes the message that is sent when this one failed, or when it is due.
 *
 * @param message The message.
 * @param queueName Where it goes.
 * @param options Its options then.
 */
export function copyTo(
  message: PythonMessage,
  queueName: string,
  options: Readonly<Record<string, unknown>>,
): PythonMessage {
  return { ...message, queue_name: queueName, options };
}
