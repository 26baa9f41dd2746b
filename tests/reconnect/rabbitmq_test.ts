import { testShortMatrix } from "./short.ts";

testShortMatrix("RabbitMQ");
