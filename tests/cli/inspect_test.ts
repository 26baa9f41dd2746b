import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { actor, type Broker, Control, RedisBroker, Worker } from "@dq/dramatiq";
import { UsageError } from "../../cli/usage_error.ts";
import { withEnvironment } from "../support/environment.ts";
import { startRedis } from "../support/servers/redis.ts";
import { eventually } from "../support/servers/until.ts";
import { after, test } from "../support/test.ts";
import { bury, openSqlite, runCommand, send } from "./inspect_fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

/** A broker, and its address for the command line. */
interface Kind {
  open(): Promise<{ readonly broker: Broker; readonly url: string } & AsyncDisposable>;
}

let database = 0;

const KINDS: Readonly<Record<string, Kind>> = {
  RedisBroker: {
    open() {
      const url = `redis://${redis.host}:${redis.port}/${database++ % 16}`;
      const broker = new RedisBroker({ url });
      return Promise.resolve({ broker, url, [Symbol.asyncDispose]: () => broker.close() });
    },
  },
  SqliteBroker: {
    open: openSqlite,
  },
};

for (const [kind, { open }] of Object.entries(KINDS)) {
  test(`queues list counts the messages of each queue by state (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    await send(broker, "default", [["add", 1], ["add", 2]]);
    await send(broker, "default", [["add", 3]], 3_600_000);
    await bury(broker, "mails", [["mail", "no address"]]);
    await new Control(broker).pause({ queue: "default" }, { reason: "bad deploy" });
    const people = await runCommand(["queues", "list", "--broker", url]);
    assertEquals(people.code, 0);
    assertMatch(
      people.console.output,
      /^QUEUE +READY +OLDEST +DELAYED +IN FLIGHT +DEAD +CONSUMERS +STATE\n/,
    );
    assertMatch(
      people.console.notes,
      /, 0 in use;.* in the last minute 0 done, 0 failed, 0 dead\n$/,
    );
    const [first, second] = people.console.rows;
    assertMatch(first!, /^default +2 +\d+\.\d s +1 +0 +0 .*paused since 20\S+ \S+: bad deploy$/);
    assertMatch(second!, /^mails +0 +- +0 +0 +1 /);
    const json = await runCommand(["queues", "list", "--json", "--broker", url, "-Q", "default"]);
    const [shown, ...others] = json.console.objects;
    const { schema, queue, ready, delayed, unacknowledged, dead, headSince, paused } = shown!;
    assertEquals([schema, queue, ready, delayed, unacknowledged, dead, others], [
      ...[1, "default", 2, 1, 0, 0, []],
    ]);
    assert(Math.abs(Date.parse(headSince as string) - Date.now()) < 60_000);
    assertEquals((paused as { reason: string }).reason, "bad deploy");
  });

  test(`jobs list shows messages by state, and counts the dead by error (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    await bury(broker, "default", [["mail", "slow"], ["mail", "slow"], ["resize", "width is 0"]]);
    const [ready] = await send(broker, "default", [["add", 7]]);
    const list = async (...args: string[]) =>
      (await runCommand(["jobs", "list", "--broker", url, ...args])).console;
    const dead = await list();
    assertMatch(dead.output, /^DIED +QUEUE +ACTOR +RETRIES +ID +ERROR\n/);
    assertEquals(dead.rows.length, 3);
    assertMatch(dead.rows[0]!, /^20\S+ \S+ +default +resize +0 +\S+ +RangeError: width is 0$/);
    const groups = (await list("--group", "error", "--utc")).rows;
    assertEquals(groups.length, 2);
    assertMatch(groups[0]!, /^ +2 +mail +20\S+ \S+ +20\S+ \S+ +RangeError: slow$/);
    const byActor = (await list("--group", "actor", "--json")).objects;
    assertEquals(byActor.map(({ actor, count, error }) => [actor, count, error]), [
      ["mail", 2, ""],
      ["resize", 1, ""],
    ]);
    const waiting = (await list("--state", "ready", "--json")).objects;
    assertEquals(waiting.length, 1);
    const { schema, state, messageId, args, eta } = waiting[0]!;
    assertEquals([schema, state, messageId, args, eta], [1, "ready", ready!.messageId, [7], null]);
    const found = (await list("--error", "WIDTH", "--actor", "resize", "--json")).objects;
    assertEquals(found.map(({ error }) => error), ["RangeError: width is 0"]);
    assertEquals((await list("-n", "1", "--json")).objects.length, 1);
    const { notes } = await list("--error", "none", "--scan", "2");
    assertEquals(notes, "default: 0 in the newest 2 of 3; -n and --scan read more\n");
    const none = await list("--before", "2h");
    assertEquals([none.output, none.notes], ["", "There are no such messages\n"]);
  });

  test(`jobs find and show say where a message is, and all that is known of it (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    const [dead] = await bury(broker, "default", [["mail", "no address"]]);
    const [delayed] = await send(broker, "mails", [["add", { deep: [1] }]], 3_600_000);
    const ids = ["--id", dead!.messageId, "--id", delayed!.messageId];
    const found = await runCommand(["jobs", "find", ...ids, "--broker", url]);
    assertEquals([found.code, found.console.output], [
      0,
      `${dead!.messageId} of mail on default: dead\n${
        delayed!.messageId
      } of add on mails: delayed\n`,
    ]);
    const shown = (await runCommand(["jobs", "show", ...ids, "--broker", url])).console.output;
    assertStringIncludes(shown, '  arguments  [{"deep":[1]}]\n');
    assertMatch(shown, / {2}error {6}RangeError: no address\n {13} {4}at /);
    const json = await runCommand(["jobs", "show", ...ids, "--json", "--broker", url]);
    assertEquals(json.console.objects.map(({ state }) => state), ["dead", "delayed"]);
    const missing = await runCommand(["jobs", "find", "--id", "none", "--broker", url]);
    assertEquals([missing.code, missing.console.output], [1, ""]);
    assertStringIncludes(missing.console.notes, "Message none was not found");
  });

  test(`jobs retry requeues what matches, once it is confirmed (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    await bury(broker, "default", [["mail", "slow"], ["mail", "slow"], ["resize", "width is 0"]]);
    const args = ["jobs", "retry", "-Q", "default", "-A", "mail", "--broker", url];
    const state = async () => {
      const { objects: [one] } =
        (await runCommand(["queues", "list", "--json", "--broker", url])).console;
      return [one!["ready"], one!["dead"]];
    };
    const dry = await runCommand([...args, "--dry-run"]);
    assertEquals(dry.console.output, "Would retry 2 messages of default\n");
    const refused = await assertRejects(() => runCommand(args), UsageError);
    assertStringIncludes(refused.message, "Cannot retry messages without --yes");
    const denied = await runCommand(args, ["n"]);
    assertEquals([denied.code, denied.console.questions], [
      1,
      ["Retry 2 messages of default? [y/N] "],
    ]);
    assertEquals(await state(), [0, 3]);
    const done = await runCommand(args, ["y"]);
    assertEquals([done.code, done.console.output], [0, "Requeued 2 of 2 messages of default\n"]);
    assertMatch(
      done.console.notes,
      /^\S+@\S+ requeued 2 of 2 messages of default: state "dead", actor "mail"\n$/,
    );
    assertEquals(await state(), [2, 1]);
    const rest = await runCommand([
      "jobs",
      "retry",
      "-Q",
      "default",
      "--yes",
      "--json",
      "--broker",
      url,
    ]);
    assertEquals(
      rest.console.objects.map(({ schema, outcome, actor }) => [schema, outcome, actor]),
      [
        [1, "requeued", "resize"],
      ],
    );
    assertEquals(await state(), [3, 0]);
  });

  test(`jobs drop and queues purge drop what they are told to, and nothing else (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    await bury(broker, "default", [["mail", "slow"], ["resize", "width is 0"]]);
    await send(broker, "default", [["add", 1], ["mul", 2], ["add", 3]]);
    await send(broker, "default", [["add", 4]], 3_600_000);
    const drop = ["jobs", "drop", "-Q", "default", "--yes", "--broker", url];
    const dropped = await runCommand([...drop, "--state", "ready", "--actor", "add"]);
    assertEquals(dropped.console.output, "Dropped 2 of 2 messages of default\n");
    const now = await runCommand([
      "jobs",
      "retry",
      "-Q",
      "default",
      "--yes",
      "--state",
      "delayed",
      "--broker",
      url,
    ]);
    assertEquals(now.console.output, "Requeued 1 of 1 message of default\n");
    const waiting = await runCommand([
      "jobs",
      "list",
      "--state",
      "ready",
      "--json",
      "--broker",
      url,
    ]);
    assertEquals(waiting.console.objects.map(({ args }) => args), [[2], [4]]);

    const purge = ["queues", "purge", "-Q", "default", "--state", "dead", "--broker", url];
    const dry = await runCommand([...purge, "--dry-run"]);
    assertEquals(dry.console.output, "Would drop 2 dead messages of default\n");
    assertEquals((await runCommand(purge, [""])).code, 1);
    const purged = await runCommand([...purge, "--yes", "--json"]);
    const { queue, state, present, dropped: count } = purged.console.objects[0]!;
    assertEquals([queue, state, present, count], ["default", "dead", 2, 2]);
    assertMatch(purged.console.notes, /^\S+@\S+ purged default: 2 dead messages dropped\n$/);
    assertEquals((await runCommand(["jobs", "list", "--broker", url])).console.output, "");
  });

  test(`workers lists, quiets and resumes workers, and top shows them (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    const gate = Promise.withResolvers<void>();
    const slow = actor(() => gate.promise, { broker, actorName: "slow" });
    await using worker = new Worker(broker, { concurrency: 3 });
    await worker.start();
    await slow.send();
    await eventually("report what runs", async () => {
      const { console } = await runCommand(["workers", "list", "--json", "--broker", url]);
      const [one] = console.objects;
      return (one?.["messages"] as unknown[] | undefined)?.length === 1;
    });
    const { console: { rows } } = await runCommand(["workers", "--broker", url]);
    assertEquals(rows.length, 1);
    assertStringIncludes(rows[0]!, `${worker.id}  `);
    assertStringIncludes(rows[0]!, "1 of 3 running");
    const top = (await runCommand(["top", "-n", "1", "--broker", url])).console.objects[0]!;
    assertEquals([top["schema"], top["workers"]], [1, 1]);
    assertEquals((top["running"] as { actorName: string }[])[0]!.actorName, "slow");
    const onScreen = () => runCommand(["top", "-n", "1", "--broker", url], [], 60);
    const { output } = (await withEnvironment({ TERM: "xterm" }, onScreen)).console;
    assert(output.startsWith("\x1b[?1049h\x1b[?25l\x1b[?2026h\x1b[H"), "a frame on its own screen");
    assert(output.endsWith("\x1b[?2026l\x1b[?25h\x1b[?1049l"), "the screen as it was");
    assertMatch(output, /ACTOR +RUN +DONE\/MIN +FAIL% +DEAD\/MIN +OLDEST\S+\r\nslow +1 /);
    // deno-lint-ignore no-control-regex -- what steers the terminal takes no room
    const lines = output.replace(/\x1b\[\??\d*[A-Za-z]/g, "").split("\r\n");
    assert(lines.every(({ length }) => length <= 60), output);

    const id = worker.id!.slice(0, 8);
    const quiet = await runCommand(["workers", "quiet", "-W", id, "--broker", url]);
    assertMatch(quiet.console.output, new RegExp(`^Quieted worker ${worker.id} \\(`));
    await eventually("be quiet", () => worker.state === "paused");
    await runCommand(["workers", "resume", "--all", "--broker", url]);
    await eventually("go on", () => worker.state === "running");
    const unknown = () => runCommand(["workers", "quiet", "-W", "x", "--broker", url]);
    await assertRejects(unknown, UsageError, "0 workers have an id that begins with it");
    gate.resolve();
  });

  test(`What messages contain does not steer the terminal (${kind})`, async () => {
    await using means = await open();
    const { broker, url } = means;
    const hostile = "\x1b[2J\u202eevil\u2066\r\n";
    const [message] = await bury(broker, "default", [[hostile, hostile]]);
    const outputs = [
      await runCommand(["jobs", "list", "--broker", url]),
      await runCommand(["jobs", "list", "--group", "error", "--broker", url]),
      await runCommand(["jobs", "list", "--json", "--broker", url]),
      await runCommand(["jobs", "show", "--id", message!.messageId, "--broker", url]),
      await runCommand(["jobs", "find", "--id", message!.messageId, "--broker", url]),
      await runCommand(["jobs", "retry", "-Q", "default", "-A", hostile, "--yes", "--broker", url]),
    ];
    for (const { console: { output, notes } } of outputs) {
      assert(output !== "", notes);
      const text = (output + notes).replaceAll("\n", "");
      assertEquals(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.exec(text), null, output);
    }
  });
}
