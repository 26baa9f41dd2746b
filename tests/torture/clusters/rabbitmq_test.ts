import { RABBITMQ_QUORUM } from "./rabbitmq_nodes.ts";
import { testShortTrials } from "./short.ts";

testShortTrials("RabbitMQ on several nodes", [RABBITMQ_QUORUM]);
