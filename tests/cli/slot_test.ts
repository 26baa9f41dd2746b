import { assert, assertEquals } from "@std/assert";
import type { Child, ChildSettings, Ending, Role } from "../../cli/child.ts";
import { NO_CONNECTION } from "../../cli/exit_codes.ts";
import type { LogWriter } from "../../cli/log_writer.ts";
import { Slot, type SlotOwner } from "../../cli/slot.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

const WORKER: Role = { kind: "worker", number: 1 };
const FORK: Role = { kind: "fork", number: 1, function: 0 };
const READY = { type: "ready", text: "works", forks: 0 } as const;
const silent = { write() {}, writePrinted() {} } as unknown as LogWriter;

/** An end of a child that worked for so many milliseconds. */
function death(workedFor: number, code: number | null = 1): Ending {
  return { code, signal: code === null ? "SIGKILL" : null, reason: undefined, workedFor };
}

/** A slot whose children do nothing; what becomes of them, the test says. */
class SlotStage implements Disposable {
  readonly events: string[] = [];
  readonly slot: Slot;
  readonly #seen: Set<Child> = new Set();

  constructor(role: Role = WORKER) {
    const settings: ChildSettings = {
      command: ["/bin/sleep", "600"],
      stopTimeout: 60_000,
      log: silent,
    };
    const owner: SlotOwner = {
      log: () => {},
      slotReady: () => void this.events.push("ready"),
      slotFailed: () => void this.events.push("failed"),
      slotEmptied: () => void this.events.push("emptied"),
    };
    this.slot = new Slot(role, settings, owner);
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
  using stage = new SlotStage();
  for (let i = 0; i < 4; i++) await stage.replaceAfter(death(10));
  await stage.replaceAfter(death(5_000)); // that one did work
  await stage.replaceAfter(death(4_999));
  assert(!stage.events.includes("failed"));
  for (let i = 0; i < 3; i++) await stage.replaceAfter(death(10));
  assert(!stage.events.includes("failed"));
  stage.slot.ended(stage.current, death(10));
  assertEquals(stage.events.at(-1), "failed");
  assertEquals(stage.slot.children.size, 0);
});

test("Slot does not give up while the server is away, nor because of a fork", async () => {
  await Promise.all(
    ([[WORKER, NO_CONNECTION], [FORK, 1]] as const).map(async ([role, code]) => {
      using stage = new SlotStage(role);
      for (let i = 0; i < 4; i++) await stage.replaceAfter(death(10, code));
      stage.slot.ended(stage.current, death(10, code));
      assert(!stage.events.includes("failed"), role.kind);
    }),
  );
});

test("Slot replaces a child at once that has worked, one that died at once after a moment", async () => {
  using stage = new SlotStage();
  stage.slot.ended(stage.current, death(5_000));
  assert(stage.slot.current !== undefined);
  stage.slot.ready(stage.current, READY);
  stage.slot.ended(stage.current, death(10));
  assertEquals(stage.slot.current, undefined);
  await eventually("start another child", () => stage.slot.current !== undefined);
});

test("Slot starts nothing after a stop, whatever was to start or is asked for", async () => {
  using stage = new SlotStage();
  using witness = new SlotStage();
  stage.slot.ended(stage.current, death(10)); // another one is to start in a moment
  stage.slot.stop();
  assertEquals(await stage.slot.reload(), "superseded");
  await witness.replaceAfter(death(10));
  assertEquals([stage.slot.children.size, stage.events], [0, ["ready", "emptied"]]);
});

test("Slot.reload starts one child, though another one was to start in a moment", async () => {
  using stage = new SlotStage();
  using witness = new SlotStage();
  stage.slot.ended(stage.current, death(10));
  const reloading = stage.slot.reload();
  stage.slot.ready(stage.next, READY);
  assertEquals(await reloading, "ready");
  await witness.replaceAfter(death(10));
  assertEquals(stage.slot.children.size, 1);
});

test("Slot.reload forgives earlier deaths", async () => {
  using stage = new SlotStage();
  for (let i = 0; i < 4; i++) await stage.replaceAfter(death(10));
  const reloading = stage.slot.reload();
  stage.slot.ready(stage.next, READY);
  await reloading;
  stage.slot.ended(stage.current, death(10));
  assert(!stage.events.includes("failed"));
});

test("Slot.reload stops the old child when the new one works, not before", async () => {
  using stage = new SlotStage();
  const old = stage.current;
  const reloading = stage.slot.reload();
  const { next } = stage;
  assertEquals([stage.current === old, old.isStopping], [true, false]);
  stage.slot.ready(next, READY);
  assertEquals(await reloading, "ready");
  assertEquals([stage.current === next, old.isStopping, next.isStopping], [true, true, false]);
});

test("Slot.reload again supersedes the one under way, and stops its child", async () => {
  using stage = new SlotStage();
  const first = stage.slot.reload();
  const superseded = stage.next;
  const second = stage.slot.reload();
  assertEquals([await first, superseded.isStopping], ["superseded", true]);
  stage.slot.ready(stage.next, READY);
  assertEquals(await second, "ready");
  assertEquals(stage.current.isStopping, false);
});

test("Slot does not replace a child that dies while another one starts", async () => {
  using stage = new SlotStage();
  const reloading = stage.slot.reload();
  const { next } = stage;
  stage.slot.ended(stage.current, death(5_000));
  assertEquals([...stage.slot.children], [next]);
  stage.slot.ready(next, READY);
  assertEquals([await reloading, stage.current], ["ready", next]);
});

test("Slot replaces a child that retires, once", () => {
  using stage = new SlotStage();
  const old = stage.current;
  stage.slot.retiring(old, "a thread computes for ever");
  stage.slot.retiring(old, "and another one");
  assertEquals([stage.slot.children.size, old.isStopping], [2, true]);
  assert(stage.current !== old);
});

test("Slot.stop is done when the last child has ended, and says whether all ended well", () => {
  for (const isKilled of [false, true]) {
    using stage = new SlotStage();
    const old = stage.current;
    stage.slot.retiring(old, "a thread computes for ever");
    const { current } = stage;
    stage.slot.stop();
    if (isKilled) old.kill();
    stage.slot.ended(old, death(10_000, isKilled ? null : 0));
    assertEquals(stage.events, ["ready"]);
    stage.slot.ended(current, death(10_000, 0));
    assertEquals([stage.events, stage.slot.endedBadly], [["ready", "emptied"], isKilled]);
  }
});
