import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Child, Ending, Role } from "../../cli/child.ts";
import { NO_CONNECTION, OK, REPLACE_ME } from "../../cli/exit_codes.ts";
import { LogWriter } from "../../cli/log_writer.ts";
import { type ReadyRecord, Slot, type SlotOwner } from "../../cli/slot.ts";
import { test } from "../support/test.ts";
import { kill } from "./stage.ts";

const READY: ReadyRecord = { type: "ready", text: "Working", forks: 0 };
const ending = (changes: Partial<Ending> = {}): Ending => ({
  code: 1,
  signal: null,
  reason: undefined,
  workedFor: 10,
  ...changes,
});
const INSTANT = ending();

/** A slot whose processes do nothing; what they tell, and how they end, the test says. */
class SlotStage implements SlotOwner, Disposable {
  readonly slot: Slot;
  readonly said: string[] = [];
  readonly pids: Set<number> = new Set();
  readonly #log = new LogWriter({ file: undefined, format: "json", color: false, isSilent: true });

  constructor(kind: "worker" | "fork" = "worker") {
    const role: Role = kind === "worker"
      ? { kind, number: 1 }
      : { kind, number: 1, function: "app:forked" };
    const command = ["sleep", "600"];
    this.slot = new Slot(role, { command, log: this.#log, stopTimeout: 600_000 }, this);
  }

  log(_level: string, text: string, { ending, when }: Record<string, unknown> = {}): void {
    this.said.push(
      text.replace("{name} {ending}; another one starts {when}", `${ending}, ${when}`),
    );
  }

  slotReady(_slot: Slot, child: Child): void {
    this.said.push(`ready ${this.children.indexOf(child)}`);
  }

  slotFailed(_slot: Slot, reason: string, { code }: Ending): void {
    this.said.push(`failed with ${code}: ${reason}`);
  }

  slotEmptied(): void {
    this.said.push("emptied");
  }

  /** Those that have not ended, oldest first. */
  get children(): Child[] {
    const children = [...this.slot.children];
    for (const { pid } of children) this.pids.add(pid);
    return children;
  }

  /** The one that works, or is to. */
  get current(): Child {
    return this.children[this.children.indexOf(this.slot.current!)]!;
  }

  /** Starts a child that works. */
  work(): Child {
    this.slot.start();
    this.slot.ready(this.current, READY);
    return this.current;
  }

  /** Ends the current child, and gives what was said of it. */
  end(how: Ending): string | undefined {
    this.said.length = 0;
    this.slot.ended(this.current, how);
    return this.said.at(-1);
  }

  [Symbol.dispose](): void {
    for (const { pid } of this.children) this.pids.add(pid);
    this.slot.stop();
    for (const pid of this.pids) kill(pid);
  }
}

test("Slot waits for a server that is away for ever, at most half a minute at a time", () => {
  using stage = new SlotStage();
  const said: (string | undefined)[] = [];
  for (let i = 0; i < 12; i++) {
    stage.work();
    said.push(stage.end(ending({ code: NO_CONNECTION })));
  }
  assertEquals(said.at(-1), "ended with code 3, in 30000 ms");
  assertEquals(said.some((line) => line?.startsWith("failed")), false);
});

test("Slot never gives up a fork, and starts none again that is done", () => {
  using stage = new SlotStage("fork");
  for (let i = 0; i < 8; i++) {
    stage.work();
    assert(!stage.end(INSTANT)!.startsWith("failed"));
  }
  stage.work();
  assertEquals(stage.end(ending({ code: OK })), "{name} is done");
  assertEquals(stage.slot.current, undefined);
});

test("Slot replaces at once, and counts for no death, a process that asks for it", () => {
  using stage = new SlotStage();
  for (let i = 0; i < 6; i++) {
    const child = stage.work();
    assertEquals(stage.end(ending({ code: REPLACE_ME })), undefined);
    assert(stage.slot.current !== undefined && stage.slot.current !== child);
  }
  assertEquals(stage.end(INSTANT), "ended with code 1, in 100 ms");
});

test("Slot fails when its first child ends before it works, and starts no second", () => {
  using stage = new SlotStage();
  stage.slot.start();
  const how = ending({ code: 2, reason: "Cannot import app.ts" });
  assertEquals(stage.end(how), "failed with 2: Cannot import app.ts");
  assertEquals(stage.children, []);
});

test("Slot.retiring starts another child at once, for the current one only", () => {
  using stage = new SlotStage();
  const first = stage.work();
  stage.slot.retiring(first, "a thread hangs");
  assert(first.isStopping);
  assertEquals(stage.children.length, 2);
  stage.slot.retiring(first, "again"); // another one has its place
  assertEquals(stage.children.length, 2);
  const second = stage.current;
  stage.slot.stop();
  stage.slot.retiring(second, "while it stops");
  assertEquals(stage.children.length, 2);
});

test("Slot.reload keeps the old child until the new one works, and for good if that never does", async () => {
  using stage = new SlotStage();
  const old = stage.work();
  const failing = stage.slot.reload();
  const how = ending({ code: 2 });
  stage.slot.ended(stage.children[1]!, how);
  assertEquals(await failing, how);
  assertEquals([stage.slot.current === old, old.isStopping], [true, false]);
  assertEquals(stage.said, ["ready 0"]); // nothing was replaced
  const working = stage.slot.reload();
  const next = stage.children[1]!;
  assertEquals([stage.slot.current === old, old.isStopping], [true, false]);
  stage.slot.ready(next, READY);
  assertEquals(await working, "ready");
  assertEquals([stage.slot.current === next, old.isStopping], [true, true]);
  stage.slot.ended(old, ending({ code: OK }));
  assertEquals(stage.children, [next]);
});

test("Slot whose child dies while another is to take over starts no third, and fails with that", async () => {
  using stage = new SlotStage();
  stage.work();
  const reload = stage.slot.reload();
  const next = stage.children[1]!;
  assertEquals(stage.end(INSTANT), undefined);
  assertEquals(stage.children, [next]);
  stage.slot.ended(next, ending({ code: 2 }));
  assertEquals(typeof await reload, "object");
  assertMatch(stage.said.at(-1)!, /^failed with 2/);
});

test("Slot.reload of a fork stops it first, and starts it when it has ended", async () => {
  using stage = new SlotStage("fork");
  const old = stage.work();
  assertEquals(await stage.slot.reload(), "ready");
  assertEquals([stage.children, old.isStopping], [[old], true]);
  assertEquals(stage.end(ending({ code: OK })), undefined);
  assert(stage.slot.current !== undefined && stage.slot.current !== old);
});
