// Vitest takes names such as sign_up.test.ts: npx vitest run
// @ts-ignore -- no package of this repository
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestBroker } from "@dq/dramatiq/testing";
import { broker, mailServer, remind, sendMail, signUp } from "./app.ts";

describe("sign-up", () => {
  let kit: TestBroker;
  beforeEach(() => {
    kit = new TestBroker({ replaces: broker });
    Object.assign(mailServer, { isDown: false, mails: [] });
  });
  afterEach(() => kit.close());

  it("sends a welcome, and a reminder in three days", async () => {
    await signUp("ada");
    kit.assertEnqueued(sendMail, { args: ["ada", "Welcome"] });
    kit.assertEnqueued(remind, { args: ["ada"], delay: { days: 3 } });
    kit.assertNotEnqueued(sendMail, { args: ["ada", "Still there?"] });
  });

  it("delivers both", async () => {
    await signUp("ada");
    await kit.drain({ until: kit.now + 3_600_000 });
    expect(mailServer.mails).toEqual(["ada: Welcome"]);
    await kit.drain();
    expect(mailServer.mails.at(-1)).toEqual("ada: Still there?");
  });

  it("sends a mail again while the server is down", async () => {
    mailServer.isDown = true;
    const run = await kit.runActor(sendMail, "ada", "Welcome");
    expect(run.outcome).toEqual("retried");
    mailServer.isDown = false;
    await kit.drain();
    expect(mailServer.mails).toEqual(["ada: Welcome"]);
  });

  it("reports every night", async () => {
    await kit.advance({ days: 2 });
    expect(mailServer.mails).toEqual(["boss: 0 mails", "boss: 1 mails"]);
  });
});
