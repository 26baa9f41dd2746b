import type { TappedMethod } from "../../support/servers/amqp_tap.ts";
import type { AmqpCall } from "./capture.ts";

/**
 * Fields that are compared of what was asked of the server: what is declared and how, and what is
 * published. How consumers fetch and acknowledge is compared by what it leaves behind.
 */
const COMPARED = new Set(["queue_declare", "basic_publish"]);

/** The calls of a step that count. What was refused shows as a call without arguments. */
export function comparedCalls(calls: readonly AmqpCall[]): AmqpCall[] {
  return calls.filter(({ method, args }) => args !== undefined && COMPARED.has(method));
}

/** Methods that a client has sent, in the form of the capture. */
export function toCalls(methods: readonly TappedMethod[]): AmqpCall[] {
  return methods.flatMap((tapped): AmqpCall[] => {
    const { method, from, args, properties, body } = tapped;
    if (from !== "client" || !COMPARED.has(method)) return [];
    if (method === "queue_declare") {
      // A passive declaration only asks. For reports, a worker declares a queue that the server names, some
      // time after it has started; Python has none.
      const { queue, durable, passive } = args;
      return passive || queue === ""
        ? []
        : [{ method, args: { queue, durable, arguments: args["arguments"] } }];
    }
    const { exchange, routing_key, mandatory } = args;
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    return [{ method, args: { exchange, routing_key, body: text, properties, mandatory } }];
  });
}
