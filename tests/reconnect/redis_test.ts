import { testShortMatrix } from "./short.ts";

testShortMatrix("Redis");
