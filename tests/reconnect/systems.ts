import {
  type Broker,
  MemcachedRateLimiterBackend,
  MemcachedResultBackend,
  RabbitmqBroker,
  type RateLimiterBackend,
  RedisBroker,
  RedisRateLimiterBackend,
  RedisResultBackend,
  type ResultBackend,
  Results,
  StubBroker,
} from "@dq/dramatiq";
import type { ServerAddress } from "../support/servers/exchange.ts";
import type { ServerName } from "../support/servers/install.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startOwnRabbitmq } from "../support/servers/rabbitmq.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import type { ActivityName } from "./activities.ts";

/** A server that faults can happen to. */
export interface MatrixServer extends AsyncDisposable, ServerAddress {
  /** Stops its process (SIGSTOP), or lets it go on. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends it, keeping what is on disk, and starts it again. */
  down(): Promise<void>;
  up(): Promise<void>;
}

/** Means of one party of a cell. */
export interface Party {
  readonly broker: Broker;
  /** Made when first used, as each has a connection, and so outages, of its own. */
  readonly results: ResultBackend;
  readonly limits: RateLimiterBackend;
  close(): Promise<void>;
}

/** One server that the library connects to. */
export interface System {
  readonly name: string;
  /** The program, and the category of what the library logs about it. */
  readonly program: ServerName;
  readonly category: string;
  /** True if messages count as done when their result is stored, rather than when they ran. */
  readonly isForResults: boolean;
  /** Faults and activities that make no sense with it, and why. */
  readonly omitted: Readonly<Partial<Record<ActivityName, string>>>;
  start(): Promise<MatrixServer>;
  /**
   * Opens a party.
   *
   * @param address The server, or the proxy before it.
   * @param id What tells the cell from others.
   * @param other The other party of the cell, if it is there already.
   */
  open(address: ServerAddress, id: string, other?: Party): Party;
}

/** All of them. */
export const SYSTEMS: readonly System[] = [
  {
    name: "Redis",
    program: "redis-server",
    category: "redis",
    isForResults: false,
    omitted: {},
    start: async () => {
      const server = await startOwnRedis({ appendonly: true });
      return matrixServer(server, () => server.kill(), () => server.restart());
    },
    open({ host, port }, id, other) {
      const url = `redis://${host}:${port}`;
      const namespace = `matrix-${id}`;
      // The other party of a cell soon takes over what this one leaves behind.
      const timeout = other === undefined ? {} : { heartbeatTimeout: 5_000 };
      return party({
        broker: () => new RedisBroker({ url, namespace, ...timeout }),
        results: () => new RedisResultBackend({ url, namespace }),
        limits: () => new RedisRateLimiterBackend({ url }),
      });
    },
  },
  {
    name: "RabbitMQ",
    program: "rabbitmq-server",
    category: "rabbitmq",
    isForResults: false,
    omitted: {
      waiting: "RabbitMQ keeps no results",
      holding: "RabbitMQ has no limiters",
    },
    start: async () => {
      const server = await startOwnRabbitmq();
      return matrixServer(server, () => server.stopApp(), () => server.startApp());
    },
    open({ host, port }) {
      const none = () => {
        throw new Error("RabbitMQ is only a broker");
      };
      return party({
        broker: () => new RabbitmqBroker({ url: `amqp://guest:guest@${host}:${port}` }),
        results: none,
        limits: none,
      });
    },
  },
  {
    name: "memcached",
    program: "memcached",
    category: "memcached",
    isForResults: true,
    omitted: { sending: "memcached is no broker" },
    start: async () => {
      const server = await startOwnMemcached();
      return matrixServer(server, () => server.kill(), () => server.restart());
    },
    open({ host, port }, id, other) {
      const servers = `${host}:${port}`;
      const own: Party = party({
        broker() {
          if (other !== undefined) return other.broker;
          const broker = new StubBroker();
          broker.addMiddleware(new Results({ backend: own.results }));
          return broker;
        },
        results: () => new MemcachedResultBackend({ servers, namespace: `matrix-${id}` }),
        limits: () => new MemcachedRateLimiterBackend({ servers }),
      });
      return own;
    },
  },
];

function matrixServer(
  server: ServerAddress & AsyncDisposable & { pause(): Promise<void>; continue(): void },
  down: () => Promise<void>,
  up: () => Promise<void>,
): MatrixServer {
  const { host, port } = server;
  return {
    host,
    port,
    freeze: () => server.pause(),
    thaw: () => Promise.resolve(server.continue()),
    down,
    up,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Makes each part of a party when it is first used. */
function party(make: {
  broker(): Broker;
  results(): ResultBackend;
  limits(): RateLimiterBackend;
}): Party {
  const made: { close(): Promise<void> }[] = [];
  const lazily = <T extends { close(): Promise<void> }>(make: () => T) => {
    let part: T | undefined;
    return () => {
      if (part === undefined) made.push(part = make());
      return part;
    };
  };
  const [broker, results, limits] = [
    lazily(make.broker),
    lazily(make.results),
    lazily(make.limits),
  ];
  return {
    get broker() {
      return broker();
    },
    get results() {
      return results();
    },
    get limits() {
      return limits();
    },
    close: async () => {
      await Promise.all(made.map((part) => part.close()));
    },
  };
}
