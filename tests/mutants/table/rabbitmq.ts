import { type Mutant, mutantsOf } from "../mutant.ts";

const folder = "tests/brokers/rabbitmq";
const REPUBLISHER = `${folder}/republisher_test.ts`;
const LINE = `${folder}/confirm_channel_test.ts`;
const OPEN = `${folder}/unacknowledged_deliveries_test.ts`;
const BASELINE = `${folder}/baseline_test.ts`;
const OUTAGES = `${folder}/outages_test.ts`;
const OVERSIZE = `${folder}/oversize_test.ts`;
const DEAD = `${folder}/dead_letters_test.ts`;
const CONFORMANCE = "tests/brokers/rabbitmq_test.ts";

/** Mistakes in the RabbitMQ broker. */
export const RABBITMQ: readonly Mutant[] = [
  ...mutantsOf("brokers/rabbitmq/republisher.ts", REPUBLISHER, [
    [
      "a move to a rung fails, and the message is acknowledged all the same",
      "else this.#returnLater(delivery);\n        this.ended();",
      "else this.#arrived.push(delivery);\n        nextTurn().then(() => this.#acknowledge());\n        this.ended();",
    ],
    [
      "a message is acknowledged before it is stored elsewhere",
      "new Publication(queueName, content, sender, properties.priority),\n    );",
      "new Publication(queueName, content, sender, properties.priority),\n    );\n    this.#arrived.push(delivery);\n    this.#acknowledge();",
    ],
    [
      "a message is moved whose delivery was lost",
      "isNeeded: () => delivery.isOpen,",
      "isNeeded: () => true,",
    ],
    [
      "a message that cannot be moved is given back at once, in a tight circle",
      "}, PAUSE_BEFORE_RETURN);",
      "}, 0);",
    ],
    [
      "a message that cannot be moved is given back while the consumer closes",
      "if (!delivery.isOpen || this.#isStopping) return;",
      "if (!delivery.isOpen) return;",
    ],
    [
      "a message that the server will never take is given back for ever",
      "if (error instanceof RequestRejected) this.#reject(delivery, queueName, error);\n        else",
      "",
    ],
    [
      "timers of pauses outlive their channel",
      "for (const timer of this.#pauses.values()) this.#session.clock.clearTimer(timer);",
      "",
    ],
    [
      "close does not wait for republisher under way",
      "while (this.#underWay > 0) await this.#ended.next();",
      "",
    ],
    [
      "close does not wait for the acknowledgement of what was moved",
      "    await nextTurn();\n  }\n\n  /**",
      "  }\n\n  /**",
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/rungs.ts", BASELINE, [
    [
      "rungs of classic queues dead-letter at most once",
      '...deadLettersTo(delayQueue, "quorum"),',
      "...deadLettersTo(delayQueue, queueType),",
      { filter: "which lose nothing" },
    ],
    [
      "quorum rungs expire with what is on them",
      '"x-message-ttl": int(stay),',
      '"x-message-ttl": int(stay),\n    "x-expires": int(EXPIRY),',
      { filter: "which lose nothing" },
    ],
    [
      "rungs of classic queues need a majority of nodes",
      '...(queueType === "classic" && { "x-quorum-initial-group-size": int(1) }),',
      "...(queueType === undefined && {}),",
      { tests: "tests/brokers/rabbitmq/cluster_test.ts", filter: "all other nodes are away" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/ladder.ts", BASELINE, [
    [
      "what is on the rungs of older versions is not counted",
      'this.#kindOfServer === "quorum" ? RUNG_KINDS : [this.kind]',
      "[this.kind]",
      { filter: "older versions" },
    ],
    [
      "a server without quorum queues is asked for them for ever",
      "if (lacksQuorumQueues(error)) this.#doWithoutQuorum();",
      "void lacksQuorumQueues;\n      void error;\n      void this.#doWithoutQuorum;",
      { tests: "tests/brokers/rabbitmq/rungs_test.ts", filter: "switched off" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/confirm_channel.ts", LINE, [
    [
      "what was under way when the channel closed is lost",
      "this.#owner.lost(this, this.abandon(), error);",
      "this.#owner.lost(this, [], error);",
    ],
    [
      "a confirm of many counts for one",
      "while (this.#lowest <= deliveryTag) this.#settle(this.#lowest++, outcome);",
      "this.#settle(deliveryTag, outcome);",
    ],
    [
      "a message without a queue counts as stored",
      'if (publication.isReturned) this.#owner.returned(publication);\n    else if (outcome === "stored")',
      'if (outcome === "stored")',
    ],
    [
      "a refused message counts as stored",
      'channel.on("nack", (fields) => this.#confirmed(fields, "refused"));',
      'channel.on("nack", (fields) => this.#confirmed(fields, "stored"));',
    ],
    [
      "what was given up is told of later",
      "if (publication === undefined) return; // abandoned before",
      "",
    ],
    [
      "the window is one too large: a publication takes the place of another",
      "return this.#next - this.#lowest >= this.#window;",
      "return this.#next - this.#lowest > this.#window;",
    ],
    [
      "a channel that is closed is written to",
      "return this.#isOpen && !this.#isCongested",
      "return !this.#isCongested",
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/unacknowledged_deliveries.ts", OPEN, [
    [
      "what is open is acknowledged with what is behind it",
      "if (delivery.tag > firstOpen) {",
      "if (false) {",
    ],
    ["what is settled is settled again", "if (!delivery.isOpen) return false;", ""],
    [
      "the last of many is acknowledged only",
      "if (last !== undefined) channel.ack(last.raw, count > 1);",
      "if (last !== undefined) channel.ack(last.raw);",
    ],
    [
      "what came over a lost channel stays open",
      "for (const delivery of [...this]) this.delete(delivery);",
      "",
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/closed_channel.ts", OVERSIZE, [
    [
      "all that was under way is rejected with the one that is too large",
      "return underWay.filter((publication) => publication !== guilty);",
      "for (const one of underWay) one.sender.failed(error);\n  return [];",
      { filter: "toSendAgain" },
    ],
    [
      "a message that closes each channel is sent for ever",
      "if (++publication.refusals < MAX_REFUSALS) return true;",
      "return true;",
      { filter: "toSendAgain" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/publisher.ts", OUTAGES, [
    [
      "what was under way when a connection was cut is not sent again",
      "    this.#sendAgain(isByServer ? toSendAgain(underWay, error) : underWay);\n",
      "    this.#sendAgain(isByServer ? toSendAgain(underWay, error) : []);\n",
      { filter: "when the connection was cut" },
    ],
    [
      "it is written while RabbitMQ blocks",
      "if (this.#preparing !== undefined || this.#connection.block !== undefined) return;",
      "if (this.#preparing !== undefined) return;",
      { filter: "writes nothing while RabbitMQ blocks" },
    ],
    [
      "what nobody needs any more is stored all the same",
      "while (next?.sender.isNeeded?.() === false) {",
      "while (false) {",
      {
        filter: "moves it once when it can",
        stays: "it takes a block that outlasts the connection over which the message came",
      },
    ],
    [
      "close cuts what was not awaited",
      "while (this.isBusy) await this.#idle.next();",
      "",
      { tests: CONFORMANCE, filter: "clos" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/refusals.ts", BASELINE, [
    [
      "what is refused is sent again for ever",
      "if (duration >= LONGEST_REFUSAL) return Math.round(duration);",
      "",
      { filter: "gives up in the end what RabbitMQ refuses" },
    ],
    [
      "what is refused is given up at once",
      "if (duration >= LONGEST_REFUSAL) return Math.round(duration);",
      "return Math.round(duration);",
      { filter: "gives up in the end what RabbitMQ refuses" },
    ],
    [
      "each refused message is logged",
      "if (this.#queueName === undefined) this.#begin(publication.queueName, now);",
      "this.#begin(publication.queueName, now);",
      { filter: "gives up in the end what RabbitMQ refuses" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/confirm_channels.ts", "tests/brokers/rabbitmq/cluster_test.ts", [
    [
      "a silent channel is kept",
      "if (isHeldUp && this.#owner.isReading) this.#leaveHeldUp(channel);\n      else if",
      "if",
      { tests: "tests/brokers/rabbitmq/confirm_channels_test.ts" },
    ],
    [
      "what is refused is sent again on the same channel",
      "    if (this.#current !== undefined) this.#left.add(this.#current);\n    this.#current = undefined;",
      "",
      { filter: "sends on another channel" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/open_channel.ts", "tests/brokers/rabbitmq/stalled_queue_test.ts", [
    [
      "a connection that is not read is kept",
      "model.connection.stream.destroy(new Error(reason));",
      "void reason;",
      { filter: "thousands wait" },
    ],
  ]),
  ...mutantsOf(
    "brokers/rabbitmq/control_channel.ts",
    "tests/brokers/rabbitmq/stalled_queue_test.ts",
    [
      [
        "an operation without an answer holds up all others",
        "        endTurn();\n      }, LONGEST_TURN);",
        "      }, LONGEST_TURN);",
        { tests: "tests/brokers/rabbitmq/control_channel_test.ts" },
      ],
    ],
  ),
  ...mutantsOf(
    "brokers/rabbitmq/publisher_pool.ts",
    "tests/brokers/rabbitmq/stalled_queue_test.ts",
    [
      [
        "a queue that stalls goes on holding up others",
        "(isStalled ? this.#own.get(publication.queueName)! : this.#shared).add(publication);",
        "this.#shared.add(publication);",
        { filter: "confirms nothing for one" },
      ],
      [
        "a queue that is well again keeps its channel",
        "if (!publisher.isBusy) this.#recovered(queueName);",
        "",
        { filter: "confirms nothing for one" },
      ],
      [
        "thousands go on a channel that hangs",
        "window: STALLED_WINDOW,",
        "",
        { tests: "tests/brokers/rabbitmq/publisher_pool_test.ts" },
      ],
      [
        "what is sent again holds up others",
        "if (!this.#stalledAt.has(publication.queueName)) return false;",
        "return false;",
        { filter: "thousands wait" },
      ],
    ],
  ),
  ...mutantsOf("brokers/rabbitmq/dead_letter.ts", BASELINE, [
    [
      "a dead letter is given up after some seconds",
      "if (!isUnavailable || !delivery.isOpen || isClosed()) throw error;",
      "throw error;",
      { filter: "Consumer.nack waits" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/rabbitmq_consumer.ts", BASELINE, [
    [
      "a message is acknowledged before its dead letter is stored",
      "      const outcomes = await Promise.allSettled(\n        open.map((one) => this.#deadLetters.store(one, headers)),\n      );",
      "      const publishing = open.map((one) => this.#deadLetters.store(one, headers));\n      this.#acknowledge(this.#take(open));\n      const outcomes = await Promise.allSettled(publishing);",
      { tests: OUTAGES, filter: "keeps one dead letter" },
    ],
    [
      "a moved message is acknowledged whose channel is gone",
      "const taken = deliveries.filter((delivery) => this.#takeOne(delivery));\n    this.#settleIfPossible",
      "const taken = deliveries;\n    this.#settleIfPossible",
      {
        tests: OUTAGES,
        filter: "moves it once when it can",
        stays:
          "what a channel that is gone had is not written to any other: it has no channel then",
      },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/subscription.ts", BASELINE, [
    [
      "close does not wait for dead letters under way",
      "    await settled();\n    await channel.leave(this);",
      "    await channel.leave(this);",
      { tests: CONFORMANCE, filter: "clos" },
    ],
    ["a consumer whose queue was deleted waits for ever", "else this.#cancelled();", "", {
      filter: "queue was deleted, and another one starts",
    }],
    [
      "a pause that crosses a subscription is forgotten",
      "await this.#unsubscribe(this.#consumerTag); // it was paused meanwhile",
      "// it was paused meanwhile",
      {
        tests: [BASELINE, CONFORMANCE],
        filter: "pause",
        stays:
          "no test yet: it takes a pause between the question and the answer of a subscription",
      },
    ],
    [
      "a resume that crosses a pause is forgotten",
      "if (this.#isWanted && !this.#isClosed) this.want();",
      "",
      {
        tests: [BASELINE, CONFORMANCE],
        filter: "pause",
        stays:
          "no test yet: it takes a resume between the question and the answer of a subscription",
      },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/idle_queue.ts", CONFORMANCE, [
    [
      "join does not see what is on its way to a consumer",
      "await Promise.all(consumers.map((consumer) => consumer.caughtUp().catch(() => {})));",
      "",
      {
        tests: BASELINE,
        filter: "join",
        stays: "no test yet: it takes a message that RabbitMQ has sent and that has not arrived",
      },
    ],
    [
      "join does not see what a settled message led to",
      "return after.ready + after.delayed === 0 && isQuiet",
      "return isQuiet",
      {
        tests: BASELINE,
        filter: "join",
        stays: "no test yet: it takes a message that is sent between the two counts",
      },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/rabbitmq_broker.ts", CONFORMANCE, [
    [
      "close does not wait for sends that were not awaited",
      "      await publisher.emptied();\n",
      "",
      { filter: "clos" },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/dead_letters.ts", DEAD, [
    [
      "a dead letter is acknowledged before it is stored on its queue",
      "        await confirmedPublisher.publish(message.queueName, message.encode(), properties.priority);\n        this.#acknowledge(purpose, raw);",
      "        this.#acknowledge(purpose, raw);\n        await confirmedPublisher.publish(message.queueName, message.encode(), properties.priority);",
      {
        stays: "it takes a server that is gone between the two: else both orders store the message",
      },
    ],
    [
      "what a lost connection had is settled",
      "    if (!this.#hasEnded) return;\n    throw new ConnectionClosed(",
      "    if (true) return;\n    throw new ConnectionClosed(",
      { filter: "lost connection" },
    ],
    [
      "dead letters that were looked at stay in flight",
      "      this.#channel.nackAll(true);\n",
      "",
      {
        filter: "after",
        stays: "the end of the channel gives them back, too",
      },
    ],
  ]),
];
