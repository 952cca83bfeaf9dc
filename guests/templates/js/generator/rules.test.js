import assert from "node:assert/strict";
import test from "node:test";

import { finish, places } from "./rules.js";

test("the largest key comes first", () => {
  assert.deepEqual(places([0.5, 2, -1]), [2, 1, 3]);
});

test("a scenario depends on its number only", () => {
  const draw = (number) => finish(new Array(8).fill(0), 1, 7n, number);
  assert.deepEqual(draw(3n), draw(3n));
  assert.notDeepEqual(draw(3n), draw(4n));
});
