/**
 * Tests that need a RabbitMQ of several nodes, one of which is away for a while: they share one.
 *
 * @module
 */
import { classic } from "./cluster/classic.ts";
import { publishing } from "./cluster/publishing.ts";
import { retrying } from "./cluster/retrying.ts";
import { startClusterForFile } from "./cluster/fixture.ts";

const file = await startClusterForFile();

publishing(file);
retrying(file);
classic(file);
