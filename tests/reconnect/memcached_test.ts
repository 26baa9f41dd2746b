import { testShortMatrix } from "./short.ts";

testShortMatrix("memcached");
