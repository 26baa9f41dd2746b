import { RedisBroker } from "@dq/dramatiq";
import { Fixture } from "./fixture.ts";

/** A broker on Redis, and the command line on a module that declares the same one. */
export class RedisFixture implements AsyncDisposable {
  readonly broker: RedisBroker;
  readonly namespace: string;
  readonly modules: Fixture;

  private constructor(broker: RedisBroker, namespace: string, modules: Fixture) {
    this.broker = broker;
    this.namespace = namespace;
    this.modules = modules;
  }

  /**
   * Makes them.
   *
   * @param url The server.
   * @param actors Source of the actors that `actors.ts` declares.
   * @param others Sources of other modules, which have a broker of their own.
   */
  static async open(
    url: string,
    actors: string,
    others: Record<string, string> = {},
  ): Promise<RedisFixture> {
    const namespace = `cli-${crypto.randomUUID()}`;
    const modules = await Fixture.open({
      "actors.ts": `import { actor, RedisBroker, setBroker } from "@dq/dramatiq";
setBroker(new RedisBroker(${JSON.stringify({ url, namespace })}));
${actors}`,
      ...others,
    });
    return new RedisFixture(new RedisBroker({ url, namespace }), namespace, modules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    await this.modules[Symbol.asyncDispose]();
  }
}
