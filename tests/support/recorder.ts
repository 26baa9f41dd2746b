import {
  Actor,
  type Broker,
  type HookName,
  Message,
  MessageProxy,
  type Middleware,
  type ProcessOutcome,
  Worker,
} from "@dq/dramatiq";
import { ConsumerLoop } from "../../worker/consumer_loop.ts";
import { errorType } from "../../platform/thrown.ts";
import vectors from "../vectors/hooks.json" with { type: "json" };

/** A hook call, or another mark in the same list, as `vectors/hooks.json` shows it. */
export type RecordedEvent = Readonly<Record<string, unknown>>;

/** Options for {@linkcode Recorder}. */
export interface RecorderOptions {
  /** List to record in, for several recorders in one list. @default {[]} */
  events?: RecordedEvent[];
  /** Name of this one in what it records. @default {undefined} Nothing. */
  name?: string;
}

/** @returns The name that a hook or option has here: `before_ack` is `beforeAck`. */
export function toCamelCase(name: string): string {
  return name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

/** Records every hook call in the form of the capture. */
export class Recorder implements Middleware {
  /** Options that the actors of tests set and nothing reads. */
  readonly actorOptions: readonly string[] = [];
  /** Recorded events, in order. */
  readonly events: RecordedEvent[];

  constructor({ events = [], name }: RecorderOptions = {}) {
    this.events = events;
    const mark = name === undefined ? {} : { middleware: name };
    for (const hook of vectors.hooks) {
      const record = (_broker: Broker, first: unknown, second: unknown) => {
        events.push({ hook, ...describe(hook, first, second), ...mark });
      };
      Object.assign(this, { [toCamelCase(hook) as HookName]: record });
    }
  }
}

function describe(hook: string, first: unknown, second: unknown): RecordedEvent {
  if (first instanceof Message) {
    return { message: describeMessage(first), delay: second ?? null };
  }
  if (first instanceof MessageProxy) {
    const { failed } = first;
    const message = { ...describeMessage(first.message), failed };
    return hook === "after_process_message"
      ? { message, ...describeOutcome(second as ProcessOutcome) }
      : { message };
  }
  if (first instanceof Actor) return { actor: first.actorName };
  if (first instanceof Worker) return { worker: true };
  // What is a thread in Python is a loop here, and the executor.
  if (first instanceof ConsumerLoop) return { thread_object: `ConsumerThread(${first.queueName})` };
  if (typeof first === "object") return { thread_object: "WorkerThread" };
  return first === undefined ? {} : { queue_name: first };
}

function describeMessage(message: Message): RecordedEvent {
  const { actor_name, queue_name, options } = message.asDict();
  return { actor_name, queue_name, options: Object.keys(options).toSorted() };
}

function describeOutcome({ result, exception }: ProcessOutcome): RecordedEvent {
  return exception === undefined ? { result: result ?? null } : { exception: errorType(exception) };
}
