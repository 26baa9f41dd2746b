// A message that is stored in the same transaction as a row: both are committed, or neither.
// Run: deno run -A examples/sqlite_transaction.ts
// Prints: Ada's order was refused | invoice for Grace | 1 order
import { actor, setBroker, SqliteBroker, Worker } from "@dq/dramatiq";

const broker = new SqliteBroker({ path: ":memory:" }); // "app.db"
setBroker(broker);

const sendInvoice = actor(function sendInvoice(customer: string) {
  console.log(`invoice for ${customer}`);
});

await broker.transaction(({ database }) =>
  database.exec("create table orders (customer text, price integer)")
);

async function order(customer: string, price: number): Promise<void> {
  await broker.transaction((tx) => {
    tx.database.prepare("insert into orders values (?, ?)").run(customer, price);
    tx.enqueue(sendInvoice.message(customer));
    if (price <= 0) throw new RangeError("the price is missing"); // undoes both
  });
}

await order("Ada", 0).catch(() => console.log("Ada's order was refused"));
await order("Grace", 20);

const worker = new Worker(broker);
await worker.start();
await broker.join("default");
await worker.stop();
const count = await broker.transaction(({ database }) =>
  database.prepare("select customer from orders").all().length
);
console.log(`${count} order`);
await broker.close();
