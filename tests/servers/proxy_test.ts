import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { startProxy } from "../support/servers/proxy.ts";
import { test } from "../support/test.ts";
import { Client, EchoServer } from "./echo.ts";

test("TcpProxy passes bytes on both ways and counts them", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  const connected = proxy.nextConnection();
  await using client = await Client.connect(proxy);
  await connected;

  client.send("hello");
  assertEquals(String(await client.receive(5)), "hello");

  assertEquals([proxy.connections, proxy.totalConnections], [1, 1]);
  assertEquals([proxy.bytesToTarget, proxy.bytesToClients], [5, 5]);
});

test("TcpProxy passes on more than sockets hold at once", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  const bytes = Buffer.from(Array.from({ length: 4 * 2 ** 20 }, (_, i) => i % 251));

  client.send(bytes);

  assert(bytes.equals(await client.receive(bytes.length)));
});

test("TcpProxy passes the end of one direction on, and what still comes in the other", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);

  client.send("last words");
  client.end();

  await client.closed;
  assertEquals(client.bytesReceived, 10);
});

test("TcpProxy ends a connection that its target ends", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("a");
  await client.receive(1);

  echo.hangUp();

  await client.closed;
});

test("TcpProxy ends a connection when its target does not listen", async () => {
  const echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await echo[Symbol.asyncDispose]();

  await using client = await Client.connect(proxy);

  await client.closed;
});

test("TcpProxy cut ends the connections there are, and no later ones", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using one = await Client.connect(proxy);
  await using two = await Client.connect(proxy);
  for (const client of [one, two]) {
    client.send("a");
    await client.receive(1);
  }

  await proxy.cut();
  await Promise.all([one.closed, two.closed]);
  assertEquals(proxy.connections, 0);

  await using later = await Client.connect(proxy);
  later.send("b");
  assertEquals(String(await later.receive(1)), "b");
  assertEquals(proxy.totalConnections, 3);
});

test("TcpProxy refuse accepts no connection until accept, and keeps open ones", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("a");
  await client.receive(1);

  proxy.refuse();
  await assertRejects(() => Client.connect(proxy), Error, "ECONNREFUSED");
  client.send("b");
  assertEquals(String(await client.receive(2)), "ab");

  await proxy.accept();
  await using later = await Client.connect(proxy);
  later.send("c");
  assertEquals(String(await later.receive(1)), "c");
});

test("TcpProxy freeze holds everything back, thaw passes it on in order", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("before ");
  await client.receive(7);

  proxy.freeze();
  client.send("in ");
  await roundTrip(echo);
  client.send("between");
  await roundTrip(echo);
  assertEquals([proxy.bytesToTarget, client.bytesReceived], [7, 7]);

  proxy.thaw();
  assertEquals(String(await client.receive(17)), "before in between");
});

test("TcpProxy freeze hides that the target has gone", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("a");
  await client.receive(1);

  proxy.freeze();
  echo.hangUp();
  await roundTrip(echo);
  assert(!client.isClosed);

  proxy.thaw();
  await client.closed;
});

test("TcpProxy freeze takes new connections, which thaw brings to life", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  proxy.freeze();
  await using client = await Client.connect(proxy);
  client.send("a");
  await roundTrip(echo);
  assertEquals(proxy.bytesToTarget, 0);

  proxy.thaw();

  assertEquals(String(await client.receive(1)), "a");
});

test("TcpProxy silences each connection after so many answers, for good, and no later ones", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("a");
  await client.receive(1);

  proxy.begin({ kind: "silent", answers: 1 });
  client.send("b");
  assertEquals(String(await client.receive(2)), "ab");
  client.send("c");
  await roundTrip(echo);
  assertEquals(proxy.silentConnections, 1);
  proxy.heal();
  client.send("d");
  await roundTrip(echo);
  assertEquals(client.bytesReceived, 2);

  await using later = await Client.connect(proxy);
  later.send("e");
  assertEquals(String(await later.receive(1)), "e");
});

test("TcpProxy cuts each connection in the middle of an answer until it is healed", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  proxy.begin({ kind: "cut" });
  await using client = await Client.connect(proxy);
  client.send("abcd");
  await client.closed;
  assertEquals(client.bytesReceived, 2);

  proxy.heal();
  await using later = await Client.connect(proxy);
  later.send("abcd");
  assertEquals(String(await later.receive(4)), "abcd");
});

test("TcpProxy resets the connections there are, and new ones, until it is healed", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("a");
  await client.receive(1);
  proxy.begin({ kind: "reset" });
  await client.closed;
  // The reset may come before the client has noticed that it is connected.
  const next = await Client.connect(proxy).catch(() => undefined);
  await next?.closed;

  proxy.heal();
  await using later = await Client.connect(proxy);
  later.send("a");
  assertEquals(String(await later.receive(1)), "a");
});

test("TcpProxy trickles bytes, and passes on what it held back once it is healed", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  proxy.begin({ kind: "trickle" });
  client.send("abc");
  await roundTrip(echo);
  assertEquals(proxy.bytesToTarget, 0);

  proxy.heal();

  assertEquals(String(await client.receive(3)), "abc");
});

test("TcpProxy abandon silences the connections there are, and no later ones", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  client.send("a");
  await client.receive(1);

  proxy.abandon();
  client.send("b");
  await using later = await Client.connect(proxy);
  later.send("c");
  assertEquals(String(await later.receive(1)), "c");
  assertEquals(client.bytesReceived, 1);
});

test("TcpProxy latency delays each direction", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  proxy.latency = 20;
  const start = performance.now();

  client.send("a");
  await client.receive(1);

  assertGreaterOrEqual(performance.now() - start, 40);
});

test("TcpProxy keeps bytes in order when latency changes", async () => {
  await using echo = await EchoServer.start();
  await using proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  proxy.latency = 20;
  client.send("slow ");
  await roundTrip(echo);

  proxy.latency = 0;
  client.send("quick");

  assertEquals(String(await client.receive(10)), "slow quick");
});

test("TcpProxy accepts no connection after its dispose, and ends open ones", async () => {
  await using echo = await EchoServer.start();
  const proxy = await startProxy(echo);
  await using client = await Client.connect(proxy);
  proxy.freeze();
  client.send("a");

  await proxy[Symbol.asyncDispose]();

  await client.closed;
  await assertRejects(() => Client.connect(proxy), Error, "ECONNREFUSED");
});

/** By then, what was sent elsewhere before would have arrived. */
async function roundTrip(echo: EchoServer): Promise<void> {
  await using client = await Client.connect(echo);
  client.send("a");
  await client.receive(1);
}
