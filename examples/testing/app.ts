/** A small application: people sign up, are greeted, and reminded after three days. */
import { actor, RedisBroker, setBroker } from "@dq/dramatiq";

/** It connects when the first message is sent: in a test it never does. */
export const broker = new RedisBroker({ url: "redis://127.0.0.1:6379" });
setBroker(broker);

/** The outside world. */
export const mailServer = {
  isDown: false,
  mails: [] as string[],
  // deno-lint-ignore require-await -- stands for a call over the network
  async deliver(mail: string): Promise<void> {
    if (mailServer.isDown) throw new Error("The mail server is down");
    mailServer.mails.push(mail);
  },
};

export const sendMail = actor(async function sendMail(to: string, text: string) {
  await mailServer.deliver(`${to}: ${text}`);
  return text.length;
}, { maxRetries: 3, minBackoff: 60_000 });

export const remind = actor(async function remind(user: string) {
  await sendMail.send(user, "Still there?");
});

export const report = actor(async function report() {
  await mailServer.deliver(`boss: ${mailServer.mails.length} mails`);
}, { cron: "0 3 * * *" });

export async function signUp(user: string): Promise<void> {
  await sendMail.send(user, "Welcome");
  await remind.sendWithOptions({ args: [user], delay: { days: 3 } });
}
