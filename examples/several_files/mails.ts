import "./broker.ts";
import { actor } from "@dq/dramatiq";

export const sendMail = actor(function sendMail(address: string, subject: string) {
  console.log(`mail to ${address}: ${subject}`);
}, { queueName: "mails" });
