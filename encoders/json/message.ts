import { isToJsonInherited } from "../../platform/json_values.ts";
import { isSimple, writeJson, writeNumber, writeString } from "./writer.ts";
import type { MessageDict } from "../../core/message_dict.ts";

/** Head of the last message, up to its arguments: the next message usually has the same one. */
let head = { queueName: "", actorName: "", text: "" };

/**
 * Writes a message as `writeJson` does, in half the time.
 *
 * (Reading by the usual shape was tried, too: reading the pieces takes V8 as long as
 * `JSON.parse` takes for the whole.)
 *
 * @param message A message in wire form.
 * @returns ASCII text.
 * @throws {TypeError} The same as `writeJson`.
 */
export function writeMessage(message: MessageDict): string {
  const { args, kwargs, options, message_id: id, message_timestamp: timestamp } = message;
  const isFast = !isToJsonInherited() && isSimple(args, 1) && isSimple(kwargs, 1) &&
    isSimple(options, 1);
  if (!isFast) {
    return writeJson(message);
  }
  return writeHead(message.queue_name, message.actor_name) + JSON.stringify(args) +
    ',"kwargs":' + (isEmpty(kwargs) ? "{}" : JSON.stringify(kwargs)) +
    ',"options":' + (isEmpty(options) ? "{}" : JSON.stringify(options)) +
    ',"message_id":' + writeString(id) + ',"message_timestamp":' + writeNumber(timestamp) + "}";
}

function writeHead(queueName: string, actorName: string): string {
  if (head.text === "" || head.queueName !== queueName || head.actorName !== actorName) {
    const text = `{"queue_name":${writeString(queueName)},"actor_name":${
      writeString(actorName)
    },"args":`;
    head = { queueName, actorName, text };
  }
  return head.text;
}

function isEmpty(object: object): boolean {
  for (const _key in object) return false;
  return true;
}
