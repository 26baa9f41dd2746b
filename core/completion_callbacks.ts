import type { Broker } from "./broker.ts";
import { Message } from "./message.ts";
import type { MessageDict } from "./message_dict.ts";
import { Pipeline } from "./pipeline.ts";

/** Completion callbacks of a group: messages to send when its members have succeeded, or settled. */
export class CompletionCallbacks {
  readonly #messages: Record<"succeeded" | "settled", Message[]> = { succeeded: [], settled: [] };

  /** True if there are none. */
  get isEmpty(): boolean {
    return this.#messages.succeeded.length + this.#messages.settled.length === 0;
  }

  /**
   * Adds a callback.
   *
   * @throws {TypeError} If `when` is neither `"succeeded"` nor `"settled"`.
   */
  add(message: Message, when: "succeeded" | "settled"): void {
    if (!Object.hasOwn(this.#messages, when)) {
      throw new TypeError(
        `Cannot add a completion callback for when "${when}": it must be "succeeded" or "settled"`,
      );
    }
    this.#messages[when].push(message);
  }

  /**
   * Begins to count the members of a group in the counters of `GroupCallbacks`.
   *
   * @param broker The broker of the group.
   * @param children The members.
   * @returns Copies of the members with the callbacks in their options, to send instead.
   * @throws {TypeError} If the broker has no `GroupCallbacks`, or a member is itself a group.
   * @throws {RangeError} If there are no members.
   */
  async begin(broker: Broker, children: readonly unknown[]): Promise<(Message | Pipeline)[]> {
    const counter = broker.middleware.find((one) => one.beginGroup !== undefined);
    if (counter === undefined) {
      throw new TypeError(
        "Cannot run a group with completion callbacks: the broker has no GroupCallbacks " +
          "middleware; add it with a rate limiter backend",
      );
    }
    if (children.length === 0) {
      throw new RangeError("Cannot run a group with completion callbacks: it has no members");
    }
    const { succeeded, settled } = this.#messages;
    const [groupCompletionUuid, groupSettledUuid] = [crypto.randomUUID(), crypto.randomUUID()];
    const options = {
      ...succeeded.length > 0 &&
        { groupCompletionUuid, groupCompletionCallbacks: dicts(succeeded) },
      ...settled.length > 0 && { groupSettledUuid, groupSettledCallbacks: dicts(settled) },
    };
    const members = membersWith(options, children);
    for (const uuid of [options.groupCompletionUuid, options.groupSettledUuid]) {
      if (uuid !== undefined) await counter.beginGroup!(broker, uuid, members.length);
    }
    return members;
  }
}

/** Copies members with additional options. */
function membersWith(
  options: Record<string, unknown>,
  children: readonly unknown[],
): (Message | Pipeline)[] {
  const ids = new Set<string>();
  const asMember = (message: Message) => {
    // Members are counted by id, and the same message may be in the group twice.
    const isTwice = ids.size === ids.add(message.messageId).size;
    return message.copy({ options, ...isTwice && { messageId: crypto.randomUUID() } });
  };
  return children.map((child) => {
    if (child instanceof Message) return asMember(child);
    if (child instanceof Pipeline) {
      // The pipeline has succeeded when its last message has.
      const last = asMember(child.messages.at(-1)!);
      return new Pipeline([...child.messages.slice(0, -1), last], child.options);
    }
    throw new TypeError(
      "Cannot run a group with completion callbacks: groups within it cannot be counted; " +
        "make them members",
    );
  });
}

function dicts(messages: readonly Message[]): MessageDict[] {
  return messages.map((message) => message.asDict());
}
