import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  delayQueueOf,
  isRung,
  noteName,
  rungFor,
  SHORTEST_WAY,
} from "../../../brokers/rabbitmq/ladder.ts";
import { MAX_QUEUE_NAME_LENGTH } from "../../../core/queue_names.ts";
import { test } from "../../support/test.ts";

const YEAR = 365 * 24 * 3_600_000;
const stayOn = (rung: string) => Number(/\.(\d+)s$/.exec(rung)![1]) * 1_000;

test("rungFor brings a message back before its eta, and soon enough to matter", () => {
  fc.assert(fc.property(fc.integer({ min: SHORTEST_WAY, max: 2 * YEAR }), (left) => {
    const rung = rungFor("tasks", left);
    const stay = stayOn(rung);
    assert(stay < left, `${rung} is too long for ${left} ms`);
    assert(isRung(rung));
    assertEquals(delayQueueOf(rung), "tasks.DQ");
    assertEquals(rungFor("tasks.DQ", left), rung);
  }));
});

test("rungFor needs few stays, however far the eta is off, and few rungs", () => {
  const rungs = new Set<string>();
  for (const left of [10_000, 60_000, 3_600_000, 24 * 3_600_000, 3 * 24 * 3_600_000]) {
    let stays = 0;
    for (let rest = left; rest > 5_000; rest -= stayOn(rungFor("q", rest))) {
      rungs.add(rungFor("q", rest));
      stays += 1;
    }
    assert(stays <= 40, `${left} ms take ${stays} stays`);
  }
  assert(rungs.size <= 8, [...rungs].join());
});

test("rungFor and noteName give names that AMQP takes, of the longest queue, too", () => {
  const queueName = "q".repeat(MAX_QUEUE_NAME_LENGTH);
  assertEquals(rungFor(queueName, YEAR).length, 255);
  assert(noteName(queueName).length <= 255);
});

test("isRung tells rungs and the note from queues that people name", () => {
  assert(isRung(noteName("q")));
  for (const name of ["q", "q.DQ", "q.XQ", "q.64s", "DQ.64s", "q.DQ.64", "q.DQ.64s.DQ"]) {
    assert(!isRung(name), name);
  }
});
