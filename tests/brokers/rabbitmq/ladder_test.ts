import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  delayQueueOf,
  isNote,
  isRung,
  noteName,
  RUNG_KINDS,
  rungFor,
  type RungKind,
  rungKindOf,
  rungKindOn,
  rungNames,
  SHORTEST_WAY,
} from "../../../brokers/rabbitmq/rungs.ts";
import { MAX_QUEUE_NAME_LENGTH } from "../../../core/queue_names.ts";
import { test } from "../../support/test.ts";

const YEAR = 365 * 24 * 3_600_000;
const KINDS = fc.constantFrom<RungKind>(...RUNG_KINDS);
const stayOn = (rung: string) => Number(/\.q?(\d+)s?$/.exec(rung)![1]) * 1_000;

test("rungFor brings a message back before its eta, and soon enough to matter", () => {
  fc.assert(fc.property(fc.integer({ min: SHORTEST_WAY, max: 2 * YEAR }), KINDS, (left, kind) => {
    const rung = rungFor("tasks", left, kind);
    const stay = stayOn(rung);
    assert(stay < left, `${rung} is too long for ${left} ms`);
    assert(isRung(rung));
    assertEquals(delayQueueOf(rung), "tasks.DQ");
    assertEquals(rungKindOf(rung), kind);
    assert(rungNames("tasks", kind).includes(rung));
    assertEquals(rungFor("tasks.DQ", left, kind), rung);
  }));
});

test("rungFor needs few stays, however far the eta is off, and few rungs", () => {
  const rungs = new Set<string>();
  for (const left of [10_000, 60_000, 3_600_000, 24 * 3_600_000, 3 * 24 * 3_600_000]) {
    let stays = 0;
    for (let rest = left; rest > 5_000; rest -= stayOn(rungFor("q", rest, "quorum"))) {
      rungs.add(rungFor("q", rest, "quorum"));
      stays += 1;
    }
    assert(stays <= 40, `${left} ms take ${stays} stays`);
  }
  assert(rungs.size <= 8, [...rungs].join());
});

test("rungFor and noteName give names that AMQP takes, of the longest queue, too", () => {
  const queueName = "q".repeat(MAX_QUEUE_NAME_LENGTH);
  for (const kind of RUNG_KINDS) {
    assertEquals(rungFor(queueName, YEAR, kind).length, 255);
    assert(noteName(queueName, kind).length <= 255);
  }
});

test("isRung tells rungs and the note from queues that people name", () => {
  for (const kind of RUNG_KINDS) {
    const note = noteName("q", kind);
    assert(isRung(note) && isNote(note));
    assertEquals(rungKindOf(note), kind);
    assertEquals(delayQueueOf(note), "q.DQ");
  }
  for (const name of ["q", "q.DQ", "q.XQ", "q.64s", "DQ.64s", "q.DQ.64", "q.DQ.64s.DQ"]) {
    assert(!isRung(name), name);
  }
  for (const name of ["q.q64", "q.quorum", "DQ.q64", "q.DQ.q", "q.DQ.q64s", "q.DQ.quorums"]) {
    assert(!isRung(name), name);
  }
});

test("rungKindOn says quorum for RabbitMQ 3.10 and later, and expiring before", () => {
  const kinds = ([[3, 8], [3, 9], [3, 10], [3, 13], [4, 0], [4, 2]] as const).map(rungKindOn);
  assertEquals(kinds, ["expiring", "expiring", "quorum", "quorum", "quorum", "quorum"]);
});
