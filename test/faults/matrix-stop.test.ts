// Every case of test/support/matrix.ts under every routing, with functions that freeze by the mode `stop`: a signal stops the process, and its kernel still acknowledges.

import { testMatrix } from "../support/matrix.ts";

testMatrix("stop");
