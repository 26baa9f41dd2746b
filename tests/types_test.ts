/**
 * Code that must not compile. The test runner only has to load this file; the type
 * checker of the gate fails if one of the expected errors is missing.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  type Actor,
  actor,
  AgeLimit,
  GenericActor,
  group,
  type Message,
  type Middleware,
  type Pipeline,
  pipeline,
  type SendWithOptions,
  StubBroker,
} from "@dq/dramatiq";
import type { LibraryOption, MessageWithOptions } from "@dq/dramatiq/core";
import { test } from "./support/test.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** Properties that completion offers: those with a name, but not any other text. */
type Offered<T> = keyof { [K in keyof T as string extends K ? never : K]: T[K] };

/** Fails to compile unless the types are the same. */
function same<A, B>(value: Same<A, B>): void {
  assertEquals(value, true);
}

const broker = new StubBroker();
const length = actor(function length(text: string) {
  return text.length;
}, { broker });
const double = actor(async function double(n: number) {
  return await Promise.resolve(n * 2);
}, { broker });
const add = actor(function add(a: number, b: number) {
  return a + b;
}, { broker });
const join = actor(function join(...parts: string[]) {
  return parts.join();
}, { broker });
const shout = actor(function shout(text: string, mark?: string) {
  return text + mark;
}, { broker });

class Resize extends GenericActor {
  perform(path: string, width: number): string {
    return path + width;
  }
}

/** Never called: what is in here has to compile, or not to. */
async function typeChecks(): Promise<void> {
  same<typeof double, Actor<[n: number], number>>(true);
  same<Awaited<ReturnType<typeof length.send>>, Message<number>>(true);
  same<Awaited<ReturnType<Message<string>["getResult"]>>, string>(true);
  const resize = actor(Resize, { broker });
  same<typeof resize, Actor<[path: string, width: number], string>>(true);

  await add.send(1, 2);
  // @ts-expect-error a text is not a number
  await add.send("1", 2);
  // @ts-expect-error an argument is missing
  await add.send(1);
  // @ts-expect-error one argument too many
  await add.send(1, 2, 3);
  // @ts-expect-error a text is not a number
  await add.sendWithOptions({ args: ["1", 2] });
  // @ts-expect-error arguments are missing
  await add.sendWithOptions({ delay: 5 });
  await add.sendWithOptions({ kwargs: { a: 1, b: 2 }, delay: 5 });
  // @ts-expect-error a delay is a number or an object
  await add.sendWithOptions({ args: [1, 2], delay: "5s" });
  // @ts-expect-error a call is an array of arguments
  await add.sendMany([1, 2]);
  const repeat = actor(function repeat(text: string, times = 2) {
    return text.repeat(times);
  }, { broker, actorName: "repeat" });
  await repeat.send("a");
  await repeat.send("a", 3);
  // @ts-expect-error a number is not a text
  await repeat.send(3);
  const sum: number = await add(1, 2);
  // @ts-expect-error calling it gives what the function gives
  const text: string = await add(1, 2);
  // @ts-expect-error a callback is an actor or its name
  actor(() => {}, { actorName: "callback", onSuccess: 3 });

  const piped = length.message("abc").pipe(double.message());
  same<typeof piped, Pipeline<number, unknown>>(true);
  length.message("abc").pipe(add.message(1));
  // @ts-expect-error a number is not a text
  double.message(1).pipe(length.message());
  // @ts-expect-error a number is not a text
  double.message(1).pipe(join.message());
  // @ts-expect-error a number is not a text
  length.message("abc").pipe(double.message()).pipe(length.message());
  // with all arguments there, the result is one too many, and ignored
  double.message(1).pipe(length.message("abc"));
  double.message(1).pipe(length.messageWithOptions({ args: ["abc"], pipeIgnore: true }));

  const chain = pipeline([length.message("abc"), double.message(), add.message(1)]);
  same<typeof chain, Pipeline<number, unknown>>(true);
  const texts = pipeline([join.message("a"), shout.message()]);
  same<typeof texts, Pipeline<string, string>>(true);
  // @ts-expect-error a number is not a text
  pipeline([length.message("abc"), length.message()]);
  // @ts-expect-error a number is not a text
  pipeline([length.message("abc"), double.message(), length.message()]);
  // @ts-expect-error a number is not a text, in a pipeline within
  pipeline([length.message("abc"), pipeline([length.message(), double.message()])]);

  for await (const result of group([length.message("a"), join.message("b")]).getResults()) {
    same<typeof result, number | string>(true);
  }
  for await (const result of group([group([length.message("a")])]).getResults()) {
    same<typeof result, number[]>(true);
  }

  // What the library sets is not offered, and can still travel as any other option.
  type Sending = Offered<SendWithOptions<[string]>>;
  same<Extract<Sending, "maxRetries" | "delay" | "args">, "maxRetries" | "delay" | "args">(true);
  same<Extract<Sending, LibraryOption>, never>(true);
  same<Extract<Offered<MessageWithOptions<[string]>>, LibraryOption>, never>(true);

  broker.addMiddleware(new AgeLimit(), { before: AgeLimit });
  // @ts-expect-error a text is no class
  broker.addMiddleware(new AgeLimit(), { before: "AgeLimit" });
  // @ts-expect-error there is no such hook argument
  const middleware: Middleware = { beforeAck: (_broker, _message, _third) => {} };
  const preparing: Middleware = {
    prepareMessage: (_broker, message, cause) => cause === undefined ? undefined : message.copy(),
  };
  const wrapping: Middleware = { wrapEnqueue: (_broker, _messages, _cause, next) => next() };
  // @ts-expect-error what was sent goes to the sender
  const swallowing: Middleware = { wrapEnqueue: async (_b, _m, _c, next) => void await next() };
  // @ts-expect-error sending does not wait for it
  const late: Middleware = { prepareMessage: (_broker, message) => Promise.resolve(message) };
  void [sum, text, middleware, preparing, wrapping, swallowing, late];
}

test("types flow from the function into messages, pipelines and results", () => {
  assertEquals(typeof typeChecks, "function");
});
