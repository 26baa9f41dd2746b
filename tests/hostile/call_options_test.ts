import { assert, assertEquals, assertRejects } from "@std/assert";
import { Actor, actor, StubBroker } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { type Call, CALLS, SIGNAL_CALLS } from "./calls.ts";
import { isRefusal, type Options, WRONG } from "./making.ts";

for (const [signature, calls] of Map.groupBy(CALLS, (one) => one.signature)) {
  test(`${signature} refuses options that it does not have, and lists its own`, async () => {
    for (const { action, call } of calls) {
      for (const strange of ["frobnicate", "constructor", "__proto__"]) {
        const message = await refusal(call, JSON.parse(`{${JSON.stringify(strange)}: 1}`));
        const start = `Cannot ${action}: it has no option ${strange}; its options are `;
        assert(message.startsWith(start), message);
        assert(!message.includes("isPart"), message); // is not for users
      }
    }
  });

  test(`${signature} refuses what is no object in place of its options`, async () => {
    for (const { call } of calls) {
      for (const none of [null, "url", 7, [] as unknown]) {
        const message = await refusal(call, none as Options);
        assert(/^Cannot .*: its options must be an object, not /.test(message), message);
      }
    }
  });

  test(`${signature} refuses options of a wrong type`, async () => {
    for (const { call } of calls) {
      const message = await refusal(call, { frobnicate: 1 });
      const names = /its options are (.*)$/.exec(message)![1]!.split(", ");
      for (const name of names.filter((name) => Object.hasOwn(WRONG, name))) {
        const message = await refusal(call, { [name]: WRONG[name] });
        assert(isRefusal(message) && message.includes(name), message);
      }
    }
  });
}

test("Actor.sendWithOptions, messageWithOptions and actor refuse what is no object", async () => {
  const broker = new StubBroker();
  const add = actor((a: number) => a, { actorName: "add", broker });
  for (const none of [null, "url", 7, [1] as unknown]) {
    for (
      const [action, call] of [
        ["send", () => add.sendWithOptions(none as never)],
        ["make a message", () => add.messageWithOptions(none as never)],
        ["create an actor", () => actor(function one() {}, none as never)],
        ["create an actor", () => new Actor(function one() {}, none as never)],
      ] as const
    ) {
      if (action === "create an actor" && none === null) continue; // is none
      const message = await refusal(call, {});
      assertEquals(message.split(" not ")[0], `Cannot ${action}: its options must be an object,`);
    }
  }
});

test("What is no signal is refused, and named, by every call that takes one", async () => {
  const taking: Call[] = [...SIGNAL_CALLS];
  for (const one of CALLS) {
    const message = await refusal(one.call, { frobnicate: 1 });
    if (/ signal\b/.test(message)) taking.push(one);
  }
  assert(taking.length > 70, `${taking.length}`);
  for (const { action, call } of taking) {
    for (
      const [signal, given] of [[new AbortController(), "its AbortController"], [5n, "5"], [
        null,
        "null",
      ]]
    ) {
      const message = await refusal(call, { signal });
      assertEquals(message, `Cannot ${action}: its signal must be an AbortSignal, not ${given}`);
    }
  }
});

async function refusal(call: Call["call"], options: Options): Promise<string> {
  return (await assertRejects(async () => void await call(options), TypeError)).message;
}
