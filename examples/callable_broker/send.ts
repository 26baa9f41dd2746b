import { setUp } from "./app.ts";

const broker = await setUp();
const { greet } = await import("./actors.ts"); // not before the broker is set
await greet.send("Ada");
await broker.close();
