import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Child, Ending, Role } from "../../cli/child.ts";
import { NO_CONNECTION, OK, REPLACE_ME } from "../../cli/exit_codes.ts";
import { LogWriter } from "../../cli/log_writer.ts";
import { ChildSlot, type ChildSlotOwner, type ReadyRecord } from "../../cli/child_slot.ts";
import { test } from "../support/test.ts";
import { kill } from "./fixture.ts";

const READY: ReadyRecord = { type: "ready", text: "Working", forks: 0 };
const ending = (changes: Partial<Ending> = {}): Ending => ({
  code: 1,
  signal: null,
  reason: undefined,
  workedFor: 10,
  ...changes,
});
const INSTANT = ending();

/** A slot with idle processes, whose records and ends the test controls. */
class ChildSlotFixture implements ChildSlotOwner, Disposable {
  readonly slot: ChildSlot;
  readonly said: string[] = [];
  readonly pids: Set<number> = new Set();
  readonly #log = new LogWriter({ file: undefined, format: "json", color: false, isSilent: true });

  constructor(kind: "worker" | "fork" = "worker") {
    const role: Role = kind === "worker"
      ? { kind, number: 1 }
      : { kind, number: 1, function: "app:forked" };
    const command = ["sleep", "600"];
    this.slot = new ChildSlot(role, { command, log: this.#log, stopTimeout: 600_000 }, this);
  }

  log(_level: string, text: string, { ending, when }: Record<string, unknown> = {}): void {
    this.said.push(
      text.replace("Restarting {name} {when}: it {ending}", `${ending}, ${when}`),
    );
  }

  slotReady(_slot: ChildSlot, child: Child): void {
    this.said.push(`ready ${this.children.indexOf(child)}`);
  }

  slotFailed(_slot: ChildSlot, reason: string, { code }: Ending): void {
    this.said.push(`failed with ${code}: ${reason}`);
  }

  slotEmptied(): void {
    this.said.push("emptied");
  }

  /** Children that have not ended, oldest first. */
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

test("Slot retries during an outage of the server, at most half a minute apart", () => {
  using fixture = new ChildSlotFixture();
  const said: (string | undefined)[] = [];
  for (let i = 0; i < 12; i++) {
    fixture.work();
    said.push(fixture.end(ending({ code: NO_CONNECTION })));
  }
  assertEquals(said.at(-1), "ended with code 3, in 30000 ms");
  assertEquals(said.some((line) => line?.startsWith("failed")), false);
});

test("Slot never gives up a fork, and does not restart one that has finished", () => {
  using fixture = new ChildSlotFixture("fork");
  for (let i = 0; i < 8; i++) {
    fixture.work();
    assert(!fixture.end(INSTANT)!.startsWith("failed"));
  }
  fixture.work();
  assertEquals(fixture.end(ending({ code: OK })), "Finished {name}");
  assertEquals(fixture.slot.current, undefined);
});

test("Slot replaces a process that requests it at once, without counting a death", () => {
  using fixture = new ChildSlotFixture();
  for (let i = 0; i < 6; i++) {
    const child = fixture.work();
    assertEquals(fixture.end(ending({ code: REPLACE_ME })), undefined);
    assert(fixture.slot.current !== undefined && fixture.slot.current !== child);
  }
  assertEquals(fixture.end(INSTANT), "ended with code 1, in 100 ms");
});

test("Slot fails when its first child ends before it works, and starts no second", () => {
  using fixture = new ChildSlotFixture();
  fixture.slot.start();
  const how = ending({ code: 2, reason: "Cannot import app.ts" });
  assertEquals(fixture.end(how), "failed with 2: Cannot import app.ts");
  assertEquals(fixture.children, []);
});

test("Slot.retiring starts another child at once, for the current one only", () => {
  using fixture = new ChildSlotFixture();
  const first = fixture.work();
  fixture.slot.retiring(first, "a thread hangs");
  assert(first.isStopping);
  assertEquals(fixture.children.length, 2);
  fixture.slot.retiring(first, "again"); // another one has its place
  assertEquals(fixture.children.length, 2);
  const second = fixture.current;
  fixture.slot.stop();
  fixture.slot.retiring(second, "while it stops");
  assertEquals(fixture.children.length, 2);
});

test("Slot.reload keeps the old child until the new one works, and for good if that never does", async () => {
  using fixture = new ChildSlotFixture();
  const old = fixture.work();
  const failing = fixture.slot.reload();
  const how = ending({ code: 2 });
  fixture.slot.ended(fixture.children[1]!, how);
  assertEquals(await failing, how);
  assertEquals([fixture.slot.current === old, old.isStopping], [true, false]);
  assertEquals(fixture.said, ["ready 0"]); // nothing was replaced
  const working = fixture.slot.reload();
  const next = fixture.children[1]!;
  assertEquals([fixture.slot.current === old, old.isStopping], [true, false]);
  fixture.slot.ready(next, READY);
  assertEquals(await working, "ready");
  assertEquals([fixture.slot.current === next, old.isStopping], [true, true]);
  fixture.slot.ended(old, ending({ code: OK }));
  assertEquals(fixture.children, [next]);
});

test("Slot whose child dies during a reload starts no third one, and fails with the second", async () => {
  using fixture = new ChildSlotFixture();
  fixture.work();
  const reload = fixture.slot.reload();
  const next = fixture.children[1]!;
  assertEquals(fixture.end(INSTANT), undefined);
  assertEquals(fixture.children, [next]);
  fixture.slot.ended(next, ending({ code: 2 }));
  assertEquals(typeof await reload, "object");
  assertMatch(fixture.said.at(-1)!, /^failed with 2/);
});

test("Slot.reload of a fork stops it first, and starts it when it has ended", async () => {
  using fixture = new ChildSlotFixture("fork");
  const old = fixture.work();
  assertEquals(await fixture.slot.reload(), "ready");
  assertEquals([fixture.children, old.isStopping], [[old], true]);
  assertEquals(fixture.end(ending({ code: OK })), undefined);
  assert(fixture.slot.current !== undefined && fixture.slot.current !== old);
});
