import { broker, render } from "./actors.ts";

await render.sendMany([[1], [2], [3], [4]]);
await broker.close();
