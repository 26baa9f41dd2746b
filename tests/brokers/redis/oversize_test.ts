/**
 * A Redis that takes small messages only: no smaller ones than these can be set.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionFailed, type RedisBroker, RequestRejected } from "@dq/dramatiq";
import { ArgumentLimit } from "../../../clients/redis/argument_limit.ts";
import { explain, isTransient, isUnavailable } from "../../../clients/redis/errors.ts";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { startOwnRedis } from "../../support/servers/redis.ts";
import { oversize } from "../oversize.ts";
import { Fixture, startForFile } from "./fixture.ts";

/** The most bytes of an argument. */
const LIMIT = 1_048_576;

const { test, server } = await startForFile({ args: ["--proto-max-bulk-len", `${LIMIT}`] });

oversize({
  name: "RedisBroker",
  test,
  limit: LIMIT,
  overhead: `"redis_message_id":"${crypto.randomUUID()}"`.length,
  async with(check) {
    await using fixture = new Fixture(server);
    await check(fixture.open(), "q");
  },
  async firstArgs(broker, queueName) {
    const fixture = new Fixture(server, (broker as RedisBroker).namespace);
    return await fixture.firstArgs(queueName);
  },
});

test("RedisBroker stores many messages that are too large for one argument together only", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const args = Array.from({ length: 250 }, (_, i) => `${i} ${"x".repeat(10_000)}`);
  await broker.enqueueMany(args.map((arg) => work("q", arg)));
  await Promise.all(args.map((arg) => broker.enqueue(work("q", arg))));
  const consumer = fixture.use(broker.consume("q", { prefetch: 500 }));
  assertEquals(firstArgs(await receiveCount(consumer, 500)), [...args, ...args]);
});

test("ArgumentLimit counts bytes, and asks each connection once", async () => {
  const limit = new ArgumentLimit();
  const asked: string[] = [];
  const ask = (...command: string[]) => {
    asked.push(command.join(" "));
    return Promise.resolve([Buffer.from(command[2]!), Buffer.from(`${LIMIT}`)]);
  };
  const check = async (...args: (string | number | Uint8Array)[]) => {
    if (!limit.isKnown) await limit.learn(ask);
    limit.check("send", args);
  };
  const euros = "\u20ac".repeat(LIMIT / 3);
  await check(1, euros, "x".repeat(LIMIT - 64 * 1024));
  await assertRejects(() => check(1, `${euros}\u20ac`), RequestRejected, "Cannot send: ");
  await assertRejects(() => check(new Uint8Array(LIMIT + 1)), RequestRejected);
  assertEquals(asked, [
    "config get proto-max-bulk-len",
    "config get client-query-buffer-limit",
  ]);
  limit.forget();
  await check("x".repeat(LIMIT - 64 * 1024));
  assertEquals(asked.length, 4);
});

test("RedisBroker rejects what does not fit into the buffer of a client", async () => {
  await using own = await startOwnRedis({ args: ["--client-query-buffer-limit", `${LIMIT}`] });
  await using fixture = new Fixture(own);
  const broker = fixture.open();
  await assertRejects(() => broker.enqueue(work("q", "x".repeat(LIMIT))), RequestRejected);
  await broker.enqueue(work("q", "x".repeat(LIMIT - 64 * 1024)));
  assertEquals((await fixture.ids("q")).length, 1);
});

test("RedisBroker sends large messages where it may not ask for limits", async () => {
  await using own = await startOwnRedis();
  await own.command("ACL", "SETUSER", "nosy", "on", ">pw", "~*", "&*", "+@all", "-config");
  await using fixture = new Fixture(own);
  const broker = fixture.open({ url: `redis://nosy:pw@127.0.0.1:${own.port}` });
  for (let n = 0; n < 3; n++) await broker.enqueue(work("q", "x".repeat(2 * LIMIT)));
  assertEquals((await fixture.ids("q")).length, 3);
});

/** An answer of Redis that is an error, as ioredis gives it. */
const reply = (text: string) => Object.assign(new Error(text), { name: "ReplyError" });

test("explain tells what Redis rejects for good from what it refuses for now", () => {
  const inScript = (text: string) =>
    `ERR Error running script (call to f_0a): @user_script:31: @user_script: 31: -${text}`;
  const forNow = [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
    "NOREPLICAS Not enough good replicas to write.",
    "NOPERM this user has no permissions to run the 'eval' command",
    "ERR The user executing the script can't run this command or subcommand script: 900b6d02981d",
    "ERR ACL failure in script: User app has no permissions to run the 'lpop' command",
    "ERR max number of clients reached",
  ];
  const passing = [
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN Hash slot not served",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MOVED 7 127.0.0.1:7000",
    "ASK 7 127.0.0.1:7000",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "UNBLOCKED client unblocked via CLIENT UNBLOCK",
    "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0",
  ];
  const forGood = [
    "ERR Protocol error: invalid bulk length",
    "ERR invalid expire time in 'pexpire' command",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR unknown command 'EVALSHA'",
  ];
  for (const text of [...forNow, ...passing].flatMap((one) => [one, inScript(one)])) {
    const error = explain(reply(text), undefined, "enqueue", "none");
    assertInstanceOf(error, ConnectionFailed, text);
    assertEquals([error.delivery, isUnavailable(error)], ["none", true], text);
    assertEquals(isTransient(error), passing.some((one) => text.includes(one)), text);
  }
  for (const text of forGood.flatMap((one) => [one, inScript(one)])) {
    const error = explain(reply(text), undefined, "enqueue", "none");
    assertInstanceOf(error, RequestRejected, text);
    assert(!isUnavailable(error) && !isTransient(error), text);
  }
});
