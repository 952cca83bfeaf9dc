// Draws finishing orders from driver strengths and luck. Plain JavaScript, without the contract.

/** A stream of numbers in (0, 1) that depends on seed and stream number alone: SplitMix64 over both. */
export function randomStream(seed, number) {
  const mask = (1n << 64n) - 1n;
  let state = (seed ^ ((number + 1n) * 0x9e3779b97f4a7c15n)) & mask;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let mixed = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
    mixed ^= mixed >> 31n;
    return (Number(mixed >> 11n) + 0.5) / 2 ** 53;
  };
}

/** The place of each key, the largest first. */
export function places(keys) {
  const order = [...keys.keys()].sort((a, b) => keys[b] - keys[a]);
  const found = new Array(keys.length);
  order.forEach((entry, index) => (found[entry] = index + 1));
  return found;
}

/** One finishing order. It is a function of the scenario's own number, so that the host may split the work as it likes. */
export function finish(strengths, spread, seed, number) {
  const uniform = randomStream(seed, number);
  return places(strengths.map((strength) => strength - spread * Math.log(-Math.log(uniform()))));
}
