import { actor } from "@dq/dramatiq";

export const greet = actor(function greet(name: string) {
  console.log(`Hello, ${name}`);
});
