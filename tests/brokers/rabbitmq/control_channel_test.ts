import { EventEmitter } from "node:events";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { deadline } from "@std/async";
import type { Channel } from "../../../brokers/rabbitmq/client.ts";
import { ControlChannel } from "../../../brokers/rabbitmq/control_channel.ts";
import { eventually } from "../../support/servers/until.ts";
import { withShortTimers } from "../../support/short_timers.ts";
import { test } from "../../support/test.ts";

/** Milliseconds after which an operation holds up others no more. */
const LONGEST_TURN = 5_000;

/** Milliseconds that tell what hangs from what takes its time on a busy machine. */
const HANGS = 30_000;

test("ControlChannel goes on with other operations, on another channel, while one has no answer", () =>
  withShortTimers(LONGEST_TURN, async () => {
    const opened: Channel[] = [];
    const closed: Channel[] = [];
    const control = new ControlChannel(() => {
      const channel = Object.assign(new EventEmitter(), {
        close() {
          closed.push(channel);
          return Promise.resolve();
        },
      }) as unknown as Channel;
      opened.push(channel);
      return Promise.resolve(channel);
    });
    const answer = Promise.withResolvers<string>();
    const hanging = control.run("wait for an answer", () => answer.promise);
    const next = control.run("ask", (channel) => Promise.resolve(channel));
    assertStrictEquals(await deadline(next, HANGS), opened[1]);
    assertEquals([opened.length, closed.length], [2, 0]);
    answer.resolve("late");
    assertEquals(await hanging, "late");
    await eventually("close the first channel", () => closed.length > 0);
    assertEquals(closed, [opened[0]]);
    await control.close();
  }));
