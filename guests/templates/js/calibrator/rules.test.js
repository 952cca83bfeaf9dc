import assert from "node:assert/strict";
import test from "node:test";

import { load, posterior, save } from "./rules.js";

test("a driver who wins has the larger mean", () => {
  const history = { raceOffsets: [0, 2], weight: [1], driverCount: 2, driver: [1, 0], finish: [1, 2] };
  assert.deepEqual(posterior(history, 1).map(({ mean }) => mean), [-0.5, 0.5]);
});

test("a checkpoint survives and a foreign one does not", () => {
  assert.deepEqual(load(save(9, 4), 10), { done: 9, taken: 4 });
  assert.equal(load(new Uint8Array(), 10), undefined);
  assert.equal(load(save(11, 4), 10), undefined);
});
