import type { Context, LiveView } from "../context.ts";
import type { Content } from "../html/text.ts";
import { messagesLive } from "./messages_live.ts";
import { operationLive, operationsLive } from "./operations_live.ts";
import { queuesLive } from "./queues_live.ts";
import { runningLive } from "./running_live.ts";
import { workersLive } from "./workers_live.ts";

type Values = NonNullable<LiveView["values"]>;

const LIVE_VIEWS: Readonly<Record<string, (context: Context, values: Values) => Content>> = {
  messages: messagesLive,
  operation: operationLive,
  operations: operationsLive,
  queues: queuesLive,
  running: runningLive,
  workers: workersLive,
};

/** Renders the live part of a page. */
export function renderLive(context: Context, { name, values = {} }: LiveView): Content {
  return Object.hasOwn(LIVE_VIEWS, name) ? LIVE_VIEWS[name]!(context, values) : "";
}
