// Joins the drawing to the contract. A starting point: nobody retires, and the winner leads all laps.

import { finish } from "./rules.js";

/** The posterior layout that this generator reads, which the built-in `calibrator-attrition` writes. */
const LAYOUT = "attrition-plackett-luce/1";
const UNSEEN = 4294967295;

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    spread: {
      type: "number",
      minimum: 0.1,
      maximum: 10,
      default: 1,
      description: "How much luck there is beside strength.",
    },
  },
};

export const plugin = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "Draws finishing orders from driver strengths and luck.",
      paramsSchema: JSON.stringify(SCHEMA),
      vetoReasons: [],
      posteriorLayout: LAYOUT,
      judgesScenarios: false,
      judgesLineups: false,
    };
  },
};

/** Strengths of the race's entries, one list per posterior draw. */
function strengths(model, race) {
  const sizes = model.parameters.map((block) => [...block.shape].reduce((product, size) => product * size, 1));
  const block = model.parameters.findIndex(({ name }) => name === "driver");
  if (block < 0) {
    throw { tag: "foreign-model", val: "the model has no block `driver`" };
  }
  const sum = (list) => list.reduce((total, size) => total + size, 0);
  const [first, columns] = [sum(sizes.slice(0, block)), sum(sizes)];
  const of = (row, driver) => (driver === UNSEEN ? 0 : model.draws[row * columns + first + driver]);
  return Array.from({ length: model.drawCount }, (_, row) => [...race.driver].map((driver) => of(row, driver)));
}

class Generator {
  static open(model, race, params, seed) {
    const generator = new Generator();
    generator.strengths = strengths(model, race);
    generator.laps = race.raceLaps;
    generator.spread = JSON.parse(params).spread;
    generator.seed = seed;
    return generator;
  }

  generate(firstScenario, scenarios) {
    const places = [];
    for (let index = 0; index < scenarios; index++) {
      const number = BigInt(firstScenario) + BigInt(index);
      const draw = this.strengths[Number(number % BigInt(this.strengths.length))];
      places.push(...finish(draw, this.spread, BigInt(this.seed), number));
    }
    const led = Uint16Array.from(places, (place) => (place === 1 ? this.laps : 0));
    return {
      scenarios,
      finish: Uint16Array.from(places),
      lapsLed: led,
      fastestLaps: led,
      lapsCompleted: new Uint16Array(places.length).fill(this.laps),
      retired: new Uint8Array(places.length),
    };
  }
}

export const generation = { Generator };
