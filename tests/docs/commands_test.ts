import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { brokerFromUrl, Message } from "@dq/dramatiq";
import { parseArguments } from "../../cli/arguments.ts";
import { COMMAND_LINE } from "../../cli/program.ts";
import { SUBCOMMANDS } from "../../cli/subcommands.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { Fixture } from "../cli/fixture.ts";
import { bury, runCommand } from "../cli/inspect_fixture.ts";
import { testLong } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { test } from "../support/test.ts";
import { commandsOf, type DocumentedCommand, inlineCommandsOf } from "./commands.ts";
import { fencesOf, readPages, ROOT } from "./pages.ts";

/** An option that no command has. The parser names the first option that it does not know. */
const UNKNOWN = "--not-an-option";
/** Programs that are not part of this project, and need no check. */
const OTHER_PROGRAMS = [
  ...["cd", "cp", "curl", "docker", "echo", "esbuild", "export", "git", "kill", "kubectl", "mkdir"],
  ...["open", "pip", "promtool", "python", "rabbitmqctl", "redis-cli", "sqlite3", "uv", "dramatiq"],
];
/** Words of package managers that only install. */
const INSTALLS =
  /^(?:deno (?:add|install)|bun (?:add|init|install)|npm (?:ci|init|install|pkg set)) /;
/** Commands on a broker that end by themselves, and need nothing but its address. */
const SHORT_COMMANDS = ["queues", "jobs", "workers", "pause", "resume", "cancel"];

const pages = await readPages();
const documented = pages.flatMap(fencesOf)
  .filter(({ language }) => language === "sh" || language === "console")
  .flatMap(commandsOf);
const { tasks }: { tasks: Record<string, unknown> } = JSON.parse(
  await readFile(join(ROOT, "deno.json"), "utf8"),
);

/** Arguments of the command line of this library, in a command that runs it. */
function argumentsOf({ words: [program = "", ...words] }: DocumentedCommand): string[] | undefined {
  const isFile = (word: string) =>
    /^(?:jsr:@dq\/dramatiq\/worker|(?:\w+\/)*worker\.ts)$/.test(word);
  if (program === "npx" && words[0] === "-y") words = words.slice(2);
  if (program === "bunx" && words[0] === "--bun") words = words.slice(1);
  if (program === "bunx" || program === "npx") {
    return words[0] === "dramatiq" ? words.slice(1) : undefined;
  }
  if (program !== "deno" && program !== "bun" && program !== "node") return undefined;
  if (words[0] === "task" && words[1] === "worker") return words.slice(2);
  const file = words.findIndex((word) => !word.startsWith("-") && word !== "run");
  return isFile(words[file] ?? "") ? words.slice(file + 1) : undefined;
}

/** Parses arguments as the command line does; an unknown option behind them keeps it from working. */
async function assertParses(args: readonly string[]): Promise<void> {
  const given = args.filter((arg) => !/^(?:--help|-h|--version)$/.test(arg));
  const subcommand = SUBCOMMANDS.get(given[0] ?? "");
  const error = await assertRejects(async () => {
    if (subcommand === undefined) parseArguments([...given, UNKNOWN], {}, COMMAND_LINE);
    else await subcommand.run([...given.slice(1), UNKNOWN], COMMAND_LINE);
  }, UsageError);
  if (given.length > 1 || subcommand === undefined || !/action/.test(error.message)) {
    assertStringIncludes(error.message, `unknown option '${UNKNOWN}'`);
  }
}

/** Fails for a command of a runtime whose task or file does not exist. */
function assertRuns({ words, page }: DocumentedCommand): void {
  const [program, ...rest] = words[0] === "npx" && words[1] === "-y" ? words.slice(2) : words;
  if (rest[0] === "task") {
    assert(rest[1]! in tasks, `deno.json has no task ${rest[1]}`);
    return;
  }
  assert(
    /^(?:deno(?:@[\d.]+)?|bun|node|npx|bunx)$/.test(program!),
    `nothing is known of ${program}`,
  );
  // Other tools, and files of tests, which the pages do not name.
  if (/^npx|^bunx/.test(program!) || /^(?:--)?(?:test|bench|check|bundle|build)$/.test(rest[0]!)) {
    return;
  }
  const file = rest.find((word) => !word.startsWith("-") && word !== "run") ?? "";
  const isKnown = existsSync(join(ROOT, file)) || page.text.includes(`\`${file}\``) ||
    /^(?:main|actors|worker|tasks)\.ts$/.test(file);
  assert(file !== "" && isKnown, `there is no ${file}, and the page does not write it`);
}

test("Each command of README.md and docs/ exists, with all of its options", async () => {
  assert(documented.length > 60, "it must see commands");
  const wrong: string[] = [];
  for (const command of [...documented, ...pages.flatMap(inlineCommandsOf)]) {
    const text = command.words.join(" ");
    if (OTHER_PROGRAMS.includes(command.words[0]!) || INSTALLS.test(`${text} `)) continue;
    const args = argumentsOf(command);
    try {
      if (args === undefined) assertRuns(command);
      else await assertParses(args);
    } catch (error) {
      wrong.push(`${command.place}: ${text}: ${(error as Error).message}`);
    }
  }
  assertEquals(wrong, []);
});

test("bunx stands with --bun in README.md and docs/: the command is a program for Node", () => {
  const wrong = pages.flatMap(({ name, text }) =>
    Array.from(text.matchAll(/\bbunx (?!--bun ).*/g), ([found]) => `${name}: ${found}`)
  );
  assertEquals(wrong, []);
});

/** Short commands of the pages, without modules: they work on the address of a broker, too. */
function shortCommands(): string[][] {
  return documented.flatMap((command) => {
    const args = argumentsOf(command)?.filter((arg) => arg !== "actors.ts");
    const isShort = args !== undefined && SHORT_COMMANDS.includes(args[0] ?? "");
    // An abbreviated id is not one.
    return isShort && !args.some((arg) => arg.includes("…") || arg === "--help") ? [args] : [];
  });
}

/** Values of an option among arguments. */
function valuesOf(option: string, args: readonly string[]): string[] {
  return args.filter((_, i) => args[i - 1] === option);
}

/** Runs the short commands of the pages on a broker, which has what they look for. */
async function assertWorkOn(url: string): Promise<void> {
  const commands = shortCommands();
  assert(commands.length > 15, "it must see commands");
  await using broker = brokerFromUrl(url);
  broker.declareQueue("default");
  for (const messageId of new Set(commands.flatMap((args) => valuesOf("--id", args)))) {
    const fields = { queueName: "default", actorName: "resize", args: [], options: {} };
    await broker.enqueue(new Message({ ...fields, messageId }));
  }
  for (const args of commands) {
    const [queueName = "default"] = valuesOf("--queue", args);
    const [actor = "resize"] = valuesOf("--actor", args);
    await bury(broker, queueName, [[actor, "timeout"]]);
    const { code } = await runCommand([...args, "--broker", url], ["y"]);
    assertEquals(code, 0, args.join(" "));
  }
}

test("Commands of docs/ that inspect and control a broker do so on a file", () =>
  withFolder((folder) => assertWorkOn(`sqlite:${join(folder, "tasks.db")}`)));

testLong("redis-server")("Commands of docs/, and the tour of a worker, run on Redis", async () => {
  const redis = await startOwnRedis();
  try {
    await using fixture = await Fixture.open();
    const commands = documented.filter(({ page }) => page.name === "docs/command-line.md")
      .map(({ words }) =>
        words.map((word) => word.startsWith("examples/") ? join(ROOT, word) : word)
      );
    const [mistyped, working] = commands.filter((words) =>
      words[2] === "worker" && words[3]!.startsWith(ROOT)
    );
    const [, , , entry, ...addresses] = commands.find((words) => /send\.ts$/.test(words[3] ?? ""))!;
    const env = { DRAMATIQ_BROKER_URL: redis.url };
    const failing = fixture.start(mistyped!.slice(3), { env });
    assertEquals(await failing.ended, 2, failing.output);
    const worker = fixture.start(working!.slice(3), { env });
    await worker.working();
    assertEquals(await fixture.start(addresses, { entry: entry!, env }).ended, 0);
    await worker.printed("Sent a mail to grace@example.com");
    await worker.printed(/Retrying message .* of sendMail/);
    assertEquals(await worker.stop(), 0, worker.output);
    await assertWorkOn(redis.url);
  } finally {
    await redis.stop();
  }
});
