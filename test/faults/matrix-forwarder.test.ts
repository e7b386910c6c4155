// Every case of test/support/matrix.ts under every routing, with functions that freeze by the mode `forwarder`: its network stops with it, as when a whole machine freezes.

import { testMatrix } from "../support/matrix.ts";

testMatrix("forwarder");
