import { assert, assertEquals } from "@std/assert";
import type { Child, ChildSettings, Ending, Role } from "../../cli/child.ts";
import { NO_CONNECTION } from "../../cli/exit_codes.ts";
import type { LogWriter } from "../../cli/log_writer.ts";
import { ChildSlot, type ChildSlotOwner } from "../../cli/child_slot.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

const WORKER: Role = { kind: "worker", number: 1 };
const FORK: Role = { kind: "fork", number: 1, function: 0 };
const READY = { type: "ready", text: "works", forks: 0 } as const;
const silent = { write() {}, writePrinted() {} } as unknown as LogWriter;

/** The ending of a child that has worked for a number of milliseconds. */
function death(workedFor: number, code: number | null = 1): Ending {
  return { code, signal: code === null ? "SIGKILL" : null, reason: undefined, workedFor };
}

/** A slot with idle children, whose records and ends the test controls. */
class ChildSlotFixture implements Disposable {
  readonly events: string[] = [];
  readonly slot: ChildSlot;
  readonly #seen: Set<Child> = new Set();

  constructor(role: Role = WORKER, command: readonly string[] = ["/bin/sleep", "600"]) {
    const settings: ChildSettings = {
      command,
      stopTimeout: 60_000,
      log: silent,
    };
    const owner: ChildSlotOwner = {
      log: () => {},
      slotReady: () => void this.events.push("ready"),
      slotFailed: () => void this.events.push("failed"),
      slotEmptied: () => void this.events.push("emptied"),
    };
    this.slot = new ChildSlot(role, settings, owner);
    this.slot.start();
    this.slot.ready(this.current, READY);
  }

  /** The child that works. */
  get current(): Child {
    this.#note();
    return this.slot.current!;
  }

  /** The child that is starting beside the others. */
  get next(): Child {
    this.#note();
    return [...this.slot.children].at(-1)!;
  }

  /** Has the child that works die, and waits for the next one. */
  async replaceAfter(ending: Ending): Promise<void> {
    this.slot.ended(this.current, ending);
    await eventually("start another child", () => this.slot.current !== undefined);
    this.slot.ready(this.current, READY);
  }

  /** A child that the test ends is none of the slot any more, but still a process. */
  #note(): void {
    for (const child of this.slot.children) this.#seen.add(child);
  }

  [Symbol.dispose](): void {
    this.#note();
    this.slot.stop();
    for (const child of this.#seen) child.kill();
  }
}

test("Slot gives up after five instant deaths in a row, not in a lifetime", async () => {
  using fixture = new ChildSlotFixture();
  for (let i = 0; i < 4; i++) await fixture.replaceAfter(death(10));
  await fixture.replaceAfter(death(5_000)); // that one did work
  await fixture.replaceAfter(death(4_999));
  assert(!fixture.events.includes("failed"));
  for (let i = 0; i < 3; i++) await fixture.replaceAfter(death(10));
  assert(!fixture.events.includes("failed"));
  fixture.slot.ended(fixture.current, death(10));
  assertEquals(fixture.events.at(-1), "failed");
  assertEquals(fixture.slot.children.size, 0);
});

test("Slot does not give up during an outage of the server, nor because of a fork", async () => {
  await Promise.all(
    ([[WORKER, NO_CONNECTION], [FORK, 1]] as const).map(async ([role, code]) => {
      using fixture = new ChildSlotFixture(role);
      for (let i = 0; i < 4; i++) await fixture.replaceAfter(death(10, code));
      fixture.slot.ended(fixture.current, death(10, code));
      assert(!fixture.events.includes("failed"), role.kind);
    }),
  );
});

test("Slot replaces a child that has worked at once, and after an instant death with a delay", async () => {
  using fixture = new ChildSlotFixture();
  fixture.slot.ended(fixture.current, death(5_000));
  assert(fixture.slot.current !== undefined);
  fixture.slot.ready(fixture.current, READY);
  fixture.slot.ended(fixture.current, death(10));
  assertEquals(fixture.slot.current, undefined);
  await eventually("start another child", () => fixture.slot.current !== undefined);
});

test("Slot starts no child after a stop, neither a delayed one nor by a reload", async () => {
  using fixture = new ChildSlotFixture();
  using inspector = new ChildSlotFixture();
  fixture.slot.ended(fixture.current, death(10)); // another one is to start in a moment
  fixture.slot.stop();
  assertEquals(await fixture.slot.reload(), "superseded");
  await inspector.replaceAfter(death(10));
  assertEquals([fixture.slot.children.size, fixture.events], [0, ["ready", "emptied"]]);
});

test("Slot.reload starts only one child during the delay before another one", async () => {
  using fixture = new ChildSlotFixture();
  using inspector = new ChildSlotFixture();
  fixture.slot.ended(fixture.current, death(10));
  const reloading = fixture.slot.reload();
  fixture.slot.ready(fixture.next, READY);
  assertEquals(await reloading, "ready");
  await inspector.replaceAfter(death(10));
  assertEquals(fixture.slot.children.size, 1);
});

test("Slot.reload resets the number of instant deaths", async () => {
  using fixture = new ChildSlotFixture();
  for (let i = 0; i < 4; i++) await fixture.replaceAfter(death(10));
  const reloading = fixture.slot.reload();
  fixture.slot.ready(fixture.next, READY);
  await reloading;
  fixture.slot.ended(fixture.current, death(10));
  assert(!fixture.events.includes("failed"));
});

test("Slot.reload stops the old child when the new one works, not before", async () => {
  using fixture = new ChildSlotFixture();
  const old = fixture.current;
  const reloading = fixture.slot.reload();
  const { next } = fixture;
  assertEquals([fixture.current === old, old.isStopping], [true, false]);
  fixture.slot.ready(next, READY);
  assertEquals(await reloading, "ready");
  assertEquals([fixture.current === next, old.isStopping, next.isStopping], [true, true, false]);
});

test("Slot.reload again supersedes the one under way, and stops its child", async () => {
  using fixture = new ChildSlotFixture();
  const first = fixture.slot.reload();
  const superseded = fixture.next;
  const second = fixture.slot.reload();
  assertEquals([await first, superseded.isStopping], ["superseded", true]);
  fixture.slot.ready(fixture.next, READY);
  assertEquals(await second, "ready");
  assertEquals(fixture.current.isStopping, false);
});

test("Slot does not replace a child that dies while another one starts", async () => {
  using fixture = new ChildSlotFixture();
  const reloading = fixture.slot.reload();
  const { next } = fixture;
  fixture.slot.ended(fixture.current, death(5_000));
  assertEquals([...fixture.slot.children], [next]);
  fixture.slot.ready(next, READY);
  assertEquals([await reloading, fixture.current], ["ready", next]);
});

test("Slot replaces a child that retires, once", () => {
  using fixture = new ChildSlotFixture();
  const old = fixture.current;
  fixture.slot.retiring(old, "a thread computes for ever");
  fixture.slot.retiring(old, "and another one");
  assertEquals([fixture.slot.children.size, old.isStopping], [2, true]);
  assert(fixture.current !== old);
});

test("Slot.stop succeeds while a child that requested its replacement ends", async () => {
  const script = `echo '${JSON.stringify(READY)}' >&3; exec sleep 600`;
  using fixture = new ChildSlotFixture(WORKER, ["/bin/sh", "-c", script]);
  const old = fixture.current;
  await eventually("see the child ready", () => old.isReady);
  fixture.slot.retiring(old, "it has processed 3 messages", "info");
  const { current } = fixture;
  fixture.slot.stop();
  fixture.slot.ended(old, death(10_000, 75));
  fixture.slot.ended(current, death(10_000, 0));
  assertEquals([fixture.events.at(-1), fixture.slot.endedBadly], ["emptied", false]);
});

test("Slot.stop is done when the last child has ended, and says whether all ended well", () => {
  for (const isKilled of [false, true]) {
    using fixture = new ChildSlotFixture();
    const old = fixture.current;
    fixture.slot.retiring(old, "a thread computes for ever");
    const { current } = fixture;
    fixture.slot.stop();
    if (isKilled) old.kill();
    fixture.slot.ended(old, death(10_000, isKilled ? null : 0));
    assertEquals(fixture.events, ["ready"]);
    fixture.slot.ended(current, death(10_000, 0));
    assertEquals([fixture.events, fixture.slot.endedBadly], [["ready", "emptied"], isKilled]);
  }
});
