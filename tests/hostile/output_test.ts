import { assert, assertEquals } from "@std/assert";
import { type IpcRecord, RecordReader } from "../../cli/ipc.ts";
import { formatJson, formatText } from "../../cli/log_line.ts";
import { LineReader } from "../../cli/output.ts";
import { Fixture } from "../cli/fixture.ts";
import { test } from "../support/test.ts";

/** Lines that look like control records, in the form of this version and of earlier ones. */
const FORGED = [
  "\x1enull",
  "null",
  `\x1e{"type":"retiring","reason":"forged"}`,
  `{"type":"retiring","reason":"forged"}`,
  `{"type":"fatal","text":"forged"}`,
  `\x1e{"type":"log","time":0,"level":"fatal","logger":"forged","text":"forged","properties":{}}`,
  `\x1e{"type":"log"}`,
  `\x1e{"type":"status"}`,
];

const PRINTS = `
import process from "node:process";
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
setBroker(new StubBroker());
const prints = actor(function prints(line) {
  console.log(line);
  console.error(line);
  process.send?.({ stopped: true });
  note("printed");
});
const works = actor(function works() { note("works"); });
for (const line of ${JSON.stringify(FORGED)}) await prints.send(line);
await works.send();
`;

test("A supervisor takes nothing that an actor prints for a control record", async () => {
  await using fixture = await Fixture.open({ "prints.ts": PRINTS });
  const program = fixture.start(["prints.ts", "--threads", "0"]);
  await program.working();
  await fixture.noted("printed", FORGED.length);
  await fixture.noted("works");
  await program.printed(`{\\"type\\":\\"status\\"}`, 2);
  assert(program.isRunning);
  assertEquals(await program.stop(), 0);
  assertEquals(program.workers.length, 1, "the worker was replaced");
  assert(!program.output.includes("Replacing "), program.output);
  assertEquals(program.lines.filter(({ level }) => level === "fatal"), []);
});

test("A JSON line that an actor prints is logged as its process's, whatever it says", async () => {
  await using fixture = await Fixture.open({
    "claims.ts": `
      import { actor, setBroker, StubBroker } from "@dq/dramatiq";
      setBroker(new StubBroker());
      const claims = actor(function claims() {
        console.log(JSON.stringify({ process: "supervisor", pid: 1, mine: 1.5 }));
        console.log("{}");
      });
      await claims.send();`,
  });
  const program = fixture.start(["claims.ts", "--threads", "0"]);
  await program.printed(/"mine":1\.5/);
  assertEquals(await program.stop(), 0);
  const line = program.lines.find(({ mine }) => mine === 1.5)!;
  assertEquals([line["process"], line["pid"]], ["worker-1", program.workers[0]!]);
});

for (const executor of ["thread", "process"]) {
  test(`A worker takes nothing that an actor posts for an answer of its ${executor}`, async () => {
    await using fixture = await Fixture.open({
      "posts.ts": `
        import process from "node:process";
        import { parentPort } from "node:worker_threads";
        import { actor, setBroker, StubBroker } from "@dq/dramatiq";
        const broker = new StubBroker();
        setBroker(broker);
        const forged = [null, "ready", 7, { stopped: true }, { ended: [0, 0, 1] }, { ended: null },
          { crashed: { how: "forged" } }, { log: {} }, { ready: [] }, {}];
        const posts = actor(async function posts() {
          for (const one of forged) {
            if (parentPort) parentPort.postMessage(one);
            else process.send(one);
          }
          await new Promise((done) => setTimeout(done, 50));
          note("posted");
        });
        const works = actor(function works() { note("works"); });
        if (!parentPort && !process.send) {
          await posts.send();
          await works.send();
        }`,
    });
    const program = fixture.start(["posts.ts", "--executor", executor, "--threads", "1"]);
    await fixture.noted("posted");
    await fixture.noted("works");
    assertEquals(await program.stop(), 0);
    assertEquals((await fixture.notes()).toSorted(), ["posted", "works"]);
    assertEquals(program.lines.filter(({ level }) => level === "error"), []);
  });
}

test("RecordReader takes well-formed records only, however they are cut", () => {
  const right: IpcRecord[] = [
    { type: "retiring", reason: "an actor is stuck" },
    { type: "fatal", text: "" },
    { type: "ready", text: "Working", forks: 2 },
    { type: "log", time: 5, level: "info", logger: "", text: "é\n", properties: { a: [1] } },
    {
      ...{ type: "status", uptime: 1, inFlight: 0, done: 0, failed: 0, retried: 0 },
      ...{ state: "quiet", slots: 8, brokerSilentFor: 0 },
    },
  ];
  const wrong = [
    "null",
    "[]",
    "7",
    "{",
    "",
    "{}",
    `{"type":"constructor"}`,
    `{"type":"ready","text":"x","forks":-1}`,
    `{"type":"ready","text":"x","forks":1e9}`,
    `{"type":"fatal","text":5}`,
    `{"type":"log","time":1e400,"level":"info","logger":"","text":"","properties":{}}`,
    `{"type":"log","time":9e15,"level":"info","logger":"","text":"","properties":{}}`,
    `{"type":"log","time":0,"level":"toString","logger":"","text":"","properties":{}}`,
    `{"type":"log","time":0,"level":"info","logger":"","text":"","properties":null}`,
    `{"type":"status","uptime":1,"inFlight":0,"done":0,"failed":0,"retried":0,"oldest":7}`,
    `{"type":"status","uptime":1,"inFlight":0,"done":0,"failed":0,"retried":0,"state":"x"}`,
  ];
  const wire = [...wrong, ...right.map((record) => JSON.stringify(record)), ...wrong, ""].join(
    "\n",
  );
  for (const size of [1, 2, 3, 7, 64, wire.length]) {
    const records: IpcRecord[] = [];
    const invalid: string[] = [];
    const reader = new RecordReader((one) => records.push(one), (line) => invalid.push(line));
    for (let at = 0; at < wire.length; at += size) reader.push(wire.slice(at, at + size));
    assertEquals(records, right);
    assertEquals(invalid, [...wrong, ...wrong]);
  }
});

test("A log record with properties of any type is written", () => {
  const about = `{"toString":1,"valueOf":[]}`;
  const wire = [
    `{"messageId":"m","error":{"stack":5}}`,
    `{"messageId":"m","error":{"stack":{}}}`,
    `{"messageId":${about},"actor":${about},"queue":${about},"error":null}`,
    `{"messageId":7,"actor":null,"queue":[[]],"error":"no object"}`,
    `{"__proto__":{"toString":1},"toJSON":1,"time":{},"level":[]}`,
  ].map((properties) =>
    `{"type":"log","time":0,"level":"error","logger":"x","text":"logged","properties":${properties}}\n`
  );
  let written = 0;
  const reader = new RecordReader((record) => {
    assert(record.type === "log");
    for (const format of [formatText, formatJson]) {
      assert(format(record, { name: "worker-1", pid: 1 }, false).includes("logged"));
      written++;
    }
  }, (line) => assert(false, line));
  reader.push(wire.join(""));
  assertEquals(written, 2 * wire.length);
});

test("RecordReader keeps no record of any length or depth, and goes on behind it", () => {
  const records: IpcRecord[] = [];
  let invalid = 0;
  const reader = new RecordReader((one) => records.push(one), () => invalid++);
  reader.push(`{"type":"fatal","text":"","a":${"[".repeat(50_000)}${"]".repeat(50_000)}}\n`);
  const piece = "x".repeat(2 ** 20);
  for (let i = 0; i < 40; i++) reader.push(piece);
  reader.push(`\n{"type":"fatal","text":"after"}\n`);
  assertEquals(records, [{ type: "fatal", text: "after" }]);
  assertEquals(invalid, 2);
});

test("LineReader passes lines on as they are, and a line without end in pieces", () => {
  const text = `hello\n\x1e{"type":"fatal","text":"x"}\n\nthe end`;
  for (let size = 1; size <= text.length; size++) {
    const lines: string[] = [];
    const reader = new LineReader((line) => lines.push(line));
    for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
    reader.end();
    assertEquals(lines, ["hello", `\x1e{"type":"fatal","text":"x"}`, "", "the end"]);
  }
  let pieces = 0;
  const endless = new LineReader(() => pieces++);
  for (let i = 0; i < 5; i++) endless.push("x".repeat(2 ** 20));
  assert(pieces >= 2);
});
