/**
 * A worker that kills itself, without warning, at one moment of counting a group.
 *
 * @module
 */
import process from "node:process";
import { actor, defaultMiddleware, GroupCallbacks, RedisBroker, Worker } from "../../mod.ts";
import { type GroupProgress, RedisBackend } from "../../rate_limits/mod.ts";

/** Arguments of the program. */
export interface GroupWorkerArguments {
  readonly url: string;
  readonly namespace: string;
  /**
   * When it dies: once it has counted a member, once it has counted the last one, or once it
   * has sent the callbacks.
   */
  readonly diesAt: GroupProgress | "sent";
}

const { url, namespace, diesAt }: GroupWorkerArguments = JSON.parse(process.argv[2]!);

function die(): never {
  process.kill(process.pid, "SIGKILL");
  while (true); // until the signal has come
}

class DyingBackend extends RedisBackend {
  override async countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    const progress = await super.countMember(group, member, ttl);
    return progress === diesAt ? die() : progress;
  }

  override concludeGroup(group: string, ttl: number): Promise<void> {
    return diesAt === "sent" ? die() : super.concludeGroup(group, ttl);
  }
}

const middleware = [...defaultMiddleware(), new GroupCallbacks(new DyingBackend({ url }))];
const broker = new RedisBroker({ url, namespace, heartbeatTimeout: 1_000, middleware });
actor(() => {}, { broker, actorName: "member" });
actor(() => {}, { broker, actorName: "done" });
await new Worker(broker, { concurrency: 1 }).start();
