import type { Encoded } from "../encoders/encoder.ts";
import { DecodeError } from "./errors.ts";
import { errorMessage, toThrown } from "../platform/thrown.ts";
import { Message } from "./message.ts";

/**
 * Undecodable data of a queue. It goes to the dead letters as it is.
 */
export class UndecodableMessage extends Message {
  /** Decoding error, with the data. */
  readonly error: DecodeError;

  /**
   * Stands for the data in its queue.
   *
   * @param queueName The queue that held it.
   * @param error Why it is not a message.
   */
  constructor(queueName: string, error: DecodeError) {
    super({ queueName, actorName: "", args: [], messageId: "", messageTimestamp: 0 });
    this.error = error;
  }

  /** The data, untouched. */
  override encode(): Encoded {
    return this.error.data;
  }
}

/**
 * Decodes data from a queue, for consumers: it never throws on bad data.
 *
 * @param queueName The queue that held it.
 * @param data The data.
 * @returns The message, or an {@linkcode UndecodableMessage}.
 */
export function decodeFromQueue(queueName: string, data: Encoded): Message {
  try {
    return Message.decode(data);
  } catch (thrown) {
    const error = toThrown(thrown, "The encoder");
    const reason = error instanceof DecodeError
      ? error
      : new DecodeError(`Cannot decode data: ${errorMessage(error)}`, data, { cause: error });
    return new UndecodableMessage(queueName, reason);
  }
}
