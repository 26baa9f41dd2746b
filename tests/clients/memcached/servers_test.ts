import { assert, assertEquals, assertRejects } from "@std/assert";
import { BrokerConnectionError, MemcachedResultBackend, ResultTimeout } from "@dq/dramatiq";
import { serverIndex } from "../../../clients/memcached/servers.ts";
import { newMessage } from "../../conformance/result_backend_keeping.ts";
import { testOwn } from "../../servers/own.ts";
import { SERVER_FAULTS, withServers } from "../../support/servers/memcached_servers.ts";

const test = testOwn("memcached");
const TTL = 600_000;
const RESULTS = 60;
const forLong = { block: true, timeout: 300_000 };

for (const { name, begin, end } of SERVER_FAULTS) {
  test(`MemcachedResultBackend gives the results of healthy servers while one ${name}`, () =>
    withServers(async (servers, addresses) => {
      await using there = new MemcachedResultBackend({ servers: addresses });
      await using here = new MemcachedResultBackend({ servers: addresses });
      const messages = Array.from({ length: RESULTS }, () => newMessage());
      const isUnavailable = (message: (typeof messages)[number]) =>
        serverIndex(here.buildMessageKey(message), addresses.length) === 1;
      const [away, healthy] = [
        messages.filter(isUnavailable),
        messages.filter((one) => !isUnavailable(one)),
      ];
      assert(away.length > 0 && healthy.length > 0);
      await Promise.all(healthy.map((one) => there.storeResult(one, one.messageId, TTL)));

      await begin(servers[1]!);
      let hasEnded = false;
      const late = away.map((one) => here.getResult(one, forLong));
      const early = healthy.map((one) => here.getResult(one, forLong));
      const unblocked = healthy.map((one) => here.getResult(one));
      const failing = assertRejects(() => here.getResult(away[0]!), BrokerConnectionError);
      for (const one of late) one.finally(() => assert(hasEnded, "it came from nowhere"));
      const ids = healthy.map(({ messageId }) => messageId);
      assertEquals(await Promise.all(early), ids);
      assertEquals(await Promise.all(unblocked), ids);
      await assertRejects(
        () => here.getResult(away[0]!, { block: true, timeout: 1 }),
        ResultTimeout,
      );
      await failing;

      hasEnded = true;
      await end(servers[1]!);
      await Promise.all(away.map((one) => there.storeResult(one, one.messageId, TTL)));
      assertEquals(await Promise.all(late), away.map(({ messageId }) => messageId));
    }));
}
