// Fits how far in front each driver tends to finish. Every driver's mean has a normal prior, so the posterior is known and is drawn
// from directly. Plain JavaScript, without the contract.

/** Standard deviation of a result around a driver's mean, on the scale of -1 (last) to 1 (first). */
const NOISE = 0.5;
/** First bytes of a checkpoint. */
const MARK = [0x6d, 0x66, 0x31, 0x00];

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

/** Mean and standard deviation of each driver. */
export function posterior({ raceOffsets, weight, driverCount, driver, finish }, priorRaces) {
  const sums = new Array(driverCount).fill(0);
  const weights = new Array(driverCount).fill(priorRaces);
  for (let race = 0; race + 1 < raceOffsets.length; race++) {
    const last = Math.max(raceOffsets[race + 1] - raceOffsets[race], 2) - 1;
    for (let row = raceOffsets[race]; row < raceOffsets[race + 1]; row++) {
      sums[driver[row]] += weight[race] * (1 - (2 * (finish[row] - 1)) / last);
      weights[driver[row]] += weight[race];
    }
  }
  return sums.map((sum, index) => ({ mean: sum / weights[index], deviation: NOISE / Math.sqrt(weights[index]) }));
}

/** One draw. It is a function of its own number, so that any interruption leaves the same draws. */
export function draw(fitted, seed, chain, number) {
  const uniform = randomStream(seed, (BigInt(chain) << 32n) | BigInt(number));
  // Box and Muller, 1958.
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return fitted.map(({ mean, deviation }) => mean + deviation * normal());
}

export function save(done, taken) {
  return Uint8Array.from([...MARK, ...new Uint8Array(Uint32Array.of(done, taken).buffer)]);
}

/** Draws made and taken, or undefined where the bytes are no checkpoint of such a chain. */
export function load(checkpoint, draws) {
  const bytes = Uint8Array.from(checkpoint);
  if (bytes.length !== MARK.length + 8 || MARK.some((byte, index) => bytes[index] !== byte)) {
    return undefined;
  }
  const [done, taken] = new Uint32Array(bytes.slice(MARK.length).buffer);
  return taken <= done && done <= draws ? { done, taken } : undefined;
}
