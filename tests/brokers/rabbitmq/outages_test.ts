/**
 * Faults of a RabbitMQ and to the way there; one after the other.
 *
 * @module
 */
import { blocking } from "./outages/blocking.ts";
import { connections } from "./outages/connections.ts";
import { consumerTimeout } from "./outages/consumer_timeout.ts";
import { earlyCloses } from "./outages/early_closes.ts";
import { failover } from "./outages/failover.ts";
import { logging } from "./outages/logging.ts";
import { refusals } from "./outages/refusals.ts";
import { restarts } from "./outages/restarts.ts";
import { startForFile } from "./fixture.ts";

const file = await startForFile();

connections(file);
earlyCloses(file);
failover(file);
refusals(file);
blocking(file);
consumerTimeout(file);
logging(file);
restarts(file);
