/**
 * What needs a RabbitMQ that nothing happens to: they share one.
 *
 * @module
 */
import { acknowledging } from "./calm/acknowledging.ts";
import { consuming } from "./calm/consuming.ts";
import { counting } from "./calm/counting.ts";
import { declaring } from "./calm/declaring.ts";
import { delaying } from "./calm/delaying.ts";
import { mismatches } from "./calm/mismatches.ts";
import { publishing } from "./calm/publishing.ts";
import { quorum } from "./calm/quorum.ts";
import { startForFile } from "./stage.ts";

const file = await startForFile();

declaring(file);
mismatches(file);
publishing(file);
consuming(file);
acknowledging(file);
counting(file);
delaying(file);
quorum(file);
