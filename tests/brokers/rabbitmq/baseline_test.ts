/**
 * Tests that need a RabbitMQ that nothing happens to: they share one.
 *
 * @module
 */
import { acknowledging } from "./baseline/acknowledging.ts";
import { consuming } from "./baseline/consuming.ts";
import { counting } from "./baseline/counting.ts";
import { declaring } from "./baseline/declaring.ts";
import { delaying } from "./baseline/delaying.ts";
import { mismatches } from "./baseline/mismatches.ts";
import { publishing } from "./baseline/publishing.ts";
import { quorum } from "./baseline/quorum.ts";
import { startForFile } from "./fixture.ts";

const file = await startForFile();

declaring(file);
mismatches(file);
publishing(file);
consuming(file);
acknowledging(file);
counting(file);
delaying(file);
quorum(file);
