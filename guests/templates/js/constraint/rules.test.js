import assert from "node:assert/strict";
import test from "node:test";

import { verdicts } from "./rules.js";

test("a winner from behind the limit is vetoed", () => {
  assert.deepEqual([...verdicts([1, 2, 3, 2, 3, 1], [2, 1, 3], 2)], [0, 1]);
});
