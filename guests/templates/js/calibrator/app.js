// Joins the fit to the contract: one chain, driven by the host.

import { draw, load, posterior, save } from "./rules.js";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    draws: {
      type: "integer",
      minimum: 10,
      maximum: 20000,
      default: 200,
      description: "Draws to keep per chain.",
    },
    prior_races: {
      type: "number",
      minimum: 0.1,
      maximum: 100,
      default: 2,
      description: "How many races of average results the prior is worth.",
    },
  },
};

export const plugin = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "Fits how far in front each driver tends to finish.",
      paramsSchema: JSON.stringify(SCHEMA),
      vetoReasons: [],
      posteriorLayout: "{{name}}/1",
      judgesScenarios: false,
      judgesLineups: false,
    };
  },
};

class Chain {
  static open(history, params, seed, chainIndex) {
    const { draws, prior_races: priorRaces } = JSON.parse(params);
    const chain = new Chain();
    chain.fitted = posterior(history, priorRaces);
    chain.draws = draws;
    chain.seed = BigInt(seed);
    chain.chain = chainIndex;
    chain.done = 0;
    chain.taken = 0;
    return chain;
  }

  static restore(history, params, seed, chainIndex, checkpoint) {
    const chain = Chain.open(history, params, seed, chainIndex);
    const found = load(checkpoint, chain.draws);
    if (found === undefined) {
      throw { tag: "foreign-checkpoint", val: "these bytes are no checkpoint of this chain" };
    }
    return Object.assign(chain, found);
  }

  layout() {
    return [{ name: "driver", shape: Uint32Array.of(this.fitted.length), isMain: true }];
  }

  step(iterations) {
    this.done = Math.min(this.done + iterations, this.draws);
    return {
      iterationsDone: this.done,
      iterationsTotal: this.draws,
      isWarmingUp: false,
      divergences: 0,
      gradients: 0,
    };
  }

  takeDraws() {
    const values = [];
    const drawCount = this.done - this.taken;
    for (; this.taken < this.done; this.taken++) {
      values.push(...draw(this.fitted, this.seed, this.chain, this.taken));
    }
    return { drawCount, values: Float64Array.from(values) };
  }

  checkpoint() {
    return save(this.done, this.taken);
  }
}

export const calibration = { Chain };
