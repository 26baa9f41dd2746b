import "./broker.ts";
import { actor } from "@dq/dramatiq";
import { sendMail } from "./mails.ts";

export const resize = actor(async function resize(file: string, owner: string) {
  console.log(`resized ${file}`);
  await sendMail.send(owner, `${file} is ready`);
}, { queueName: "pictures" });
