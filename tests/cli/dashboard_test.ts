import process from "node:process";
import { once } from "node:events";
import { connect } from "node:net";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { HttpServer } from "../../cli/dashboard/http_server.ts";
import { passwordAccess } from "../../cli/dashboard/password.ts";
import { runDashboard } from "../../cli/dashboard/command.ts";
import { COMMAND_LINE } from "../../cli/program.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { test } from "../support/test.ts";
import { eventually, Fixture } from "./fixture.ts";

const APP = `import { actor, setBroker, StubBroker } from "@dq/dramatiq";
setBroker(new StubBroker());
export const work = actor(function work() {}, { queueName: "mails" });
`;
const PASSWORD = "correct horse battery";

/** What a command says that its arguments make no sense. */
async function refusal(...args: string[]): Promise<string> {
  try {
    await runDashboard(args, COMMAND_LINE);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "";
}

test("worker.ts dashboard serves pages for those with the password until it is told to stop", async () => {
  await using fixture = await Fixture.open({ "app.ts": APP });
  await fixture.write("password", `${PASSWORD}\n`);
  const program = fixture.start([
    "dashboard",
    "--port",
    "0",
    "--password-file",
    "password",
    "app.ts",
  ]);
  const address = () => /http:\/\/127\.0\.0\.1:\d+\//.exec(program.stdout)?.[0];
  await eventually("see its address", () => address() !== undefined);
  const get = async (password: string) =>
    await fetch(address()!, { headers: { authorization: `Basic ${btoa(`ada:${password}`)}` } });
  assertEquals((await get("wrong")).status, 401);
  const response = await get(PASSWORD);
  assertEquals(response.status, 200);
  const page = await response.text();
  assertMatch(page, /mails/);
  assertMatch(page, /<bdi>ada<\/bdi>/);
  const gauges = await fetch(`${address()!}metrics`, {
    headers: { authorization: `Basic ${btoa(`prometheus:${PASSWORD}`)}` },
  });
  assertMatch(await gauges.text(), /^dramatiq_queue_paused\{queue_name="mails"\} 0$/m);
  const paused = await fetch(`${address()!}queues/mails/pause`, {
    method: "POST",
    body: new URLSearchParams({ reason: "down" }),
    headers: { authorization: `Basic ${btoa(`ada:${PASSWORD}`)}`, origin: address()!.slice(0, -1) },
    redirect: "manual",
  });
  assertEquals(paused.status, 303);
  await eventually("see the action in the log", () => /ada paused mails/.test(program.output));
  process.kill(program.pid, "SIGTERM");
  assertEquals(await program.ended, 0, program.output);
});

test("worker.ts dashboard refuses other machines without a password, and invalid options", async () => {
  await using fixture = await Fixture.open();
  await fixture.write("short", "too short\n");
  const short = `${fixture.folder}/short`;
  const stub = ["--broker", "stub:"];
  assertMatch(await refusal(...stub, "--host", "0.0.0.0"), /on 0\.0\.0\.0 without a password/);
  assertMatch(await refusal(...stub, "--password-file", short), /must have at least 12/);
  assertMatch(
    await refusal(...stub, "--password-file", `${short}er`),
    /Cannot read the password file/,
  );
  assertMatch(await refusal(...stub, "--port", "http"), /Cannot listen on port "http"/);
  assertMatch(await refusal("--broker", "ftp://x"), /Cannot create a broker/);
  assertMatch(await refusal(...stub, "--base-path", "ops/"), /it must start with a "\/"/);
});

/** The status line of the answer to a request of some raw lines. */
async function statusOf(port: number, ...lines: string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
  const [answer] = await once(socket, "data");
  socket.destroy();
  return String(answer).split("\r\n")[0]!;
}

test("The dashboard's server survives requests and answers that fetch does not allow", async () => {
  const server = await HttpServer.listen("127.0.0.1", 0, (request) => {
    const { pathname } = new URL(request.url);
    return Promise.resolve(
      pathname === "/bad"
        ? new Response("", { headers: { "x-name": "\x1b" } })
        : new Response("ok"),
    );
  });
  const ask = async (line: string, host = "localhost") =>
    await statusOf(server.port, line, `Host: ${host}`);
  assertMatch(await ask("GET / HTTP/1.1", "ada@localhost"), / 400 /);
  assertMatch(await ask("GET / HTTP/1.1", "ada:secret@localhost"), / 400 /);
  assertMatch(await ask("GET / HTTP/1.1", "localhost:99999"), / 400 /);
  assertMatch(await ask("TRACE / HTTP/1.1"), / (200|400) /); // Bun allows it
  assertMatch(await ask("GET /bad HTTP/1.1"), / (200|500) /);
  assertMatch(await ask("GET / HTTP/1.1"), / 200 /);
  await server.close();
});

test("passwordAccess compares whole passwords, and takes the name for the log", async () => {
  const access = passwordAccess("päss:wörd 1234");
  const ask = async (header?: string) =>
    await access(
      new Request("http://x/", header === undefined ? {} : { headers: { authorization: header } }),
    );
  const basic = (text: string) =>
    `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}`;
  assertEquals(await ask(basic("ada:päss:wörd 1234")), { name: "ada", can: "operate" });
  assertEquals(await ask(basic(":päss:wörd 1234")), { name: "operator", can: "operate" });
  for (
    const header of [
      undefined,
      "Basic",
      "Basic !",
      basic("ada"),
      basic("ada:päss:wörd 123"),
      "Bearer x",
    ]
  ) {
    const response = await ask(header);
    assert(response instanceof Response && response.status === 401, header);
    assertMatch(response.headers.get("www-authenticate")!, /^Basic/);
  }
});
