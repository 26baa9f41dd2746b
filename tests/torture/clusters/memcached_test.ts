import { MEMCACHED_SERVERS } from "./memcached_servers.ts";
import { testShortTrials } from "./short.ts";

testShortTrials("memcached on several servers", [MEMCACHED_SERVERS]);
