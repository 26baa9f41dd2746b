import { Buffer } from "node:buffer";
import { connect } from "amqplib";
import { decodeFromQueue, type Message, RabbitmqBroker } from "@dq/dramatiq";
import { brokerConformance } from "../conformance/broker.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { after } from "../support/test.ts";

/** Questions to the server that give an idle broker time to do something. */
const ROUND_TRIPS = 20;
/** Bytes of the smallest frame that is no heartbeat. */
const SMALLEST_FRAME = 12;

const server = await startRabbitmq();
const proxy = await startProxy(server);
const observer = await connect(server.url);
const channel = await observer.createConfirmChannel();
after(async () => {
  await observer.close();
  await proxy[Symbol.asyncDispose]();
  await server.stop();
});

brokerConformance({
  name: "RabbitmqBroker",
  undeclaredQueues: "accepted",
  create: ({ middleware }) =>
    new RabbitmqBroker({
      url: `amqp://guest:guest@127.0.0.1:${proxy.port}`,
      ...(middleware && { middleware }),
    }),

  async deadLetters(_broker, queueName) {
    const messages: Message[] = [];
    const looking = await observer.createChannel(); // what it is given goes back with it
    const deadLetterQueue = `${queueName}.XQ`;
    while (true) {
      const got = await looking.get(deadLetterQueue);
      if (got === false) break;
      messages.push(decodeFromQueue(queueName, got.content));
    }
    await looking.close();
    return messages;
  },

  async putRaw(broker, queueName, data) {
    await (broker as RabbitmqBroker).getQueueMessageCounts(queueName); // declares it
    const content = typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
    await new Promise<void>((resolve, reject) => {
      channel.sendToQueue(queueName, content, {}, (error) => error ? reject(error) : resolve());
    });
  },

  async countMessages(broker, queueName) {
    const { ready, delayed } = await (broker as RabbitmqBroker).getQueueMessageCounts(queueName);
    return ready + delayed;
  },

  async breakConnections() {
    await proxy.cut();
  },

  async countIdleCalls(broker) {
    const before = proxy.bytesToTarget;
    const [queueName] = broker.queues;
    // Not through the proxy.
    for (let i = 0; i < ROUND_TRIPS; i++) await channel.checkQueue(queueName!);
    return (proxy.bytesToTarget - before) / SMALLEST_FRAME;
  },

  async openProxied() {
    const own = await startProxy(server);
    const url = `amqp://guest:guest@127.0.0.1:${own.port}`;
    return { broker: new RabbitmqBroker({ url, blockedTimeout: 3_000 }), proxy: own };
  },

  skips: {
    restOnManyQueues: "many_queues_test.ts asserts it on 1,100 queues",
    requeueToFront: "what a consumer has prefetched comes before what RabbitMQ gives it again",
  },
});
