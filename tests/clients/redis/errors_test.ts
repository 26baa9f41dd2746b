import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionFailed, RequestRejected } from "@dq/dramatiq";
import { explain, isReply, isTransient, unwrapped } from "../../../clients/redis/errors.ts";
import { test } from "../../support/test.ts";

/** Error text of ioredis 6, after it was sent from node to node 16 times. */
const redirected = (last: string) =>
  new Error(`Too many Cluster redirections. Last error: ${last}`);

test("unwrapped gives the answer that too many redirections hide", () => {
  const error = redirected("ReplyError: NOSCRIPT No matching script. Please use EVAL.");
  const answer = unwrapped(error) as Error;
  assert(isReply(answer));
  assertEquals(answer.message, "NOSCRIPT No matching script. Please use EVAL.");
  assertEquals(answer.cause, error);
});

test("unwrapped gives what is no answer as it is", () => {
  const plain = new Error("read ECONNRESET");
  assertEquals(unwrapped(plain), plain);
  assertEquals(unwrapped("text"), "text");
  const closed = unwrapped(redirected("Error: Connection is closed.")) as Error;
  assertEquals(closed.message, "Connection is closed.");
  assertEquals(isReply(closed), false);
});

test("An answer that redirections hide may pass, or not, as any other", () => {
  const explained = (text: string) => explain(unwrapped(redirected(text)), undefined, "enqueue");
  const moved = explained("ReplyError: MOVED 7 127.0.0.1:7000");
  assertInstanceOf(moved, ConnectionFailed);
  assert(isTransient(moved));
  const wrong = explained("ReplyError: WRONGTYPE Operation against a key");
  assertInstanceOf(wrong, RequestRejected);
  assert(!isTransient(wrong));
});
