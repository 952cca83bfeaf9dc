// Joins the rules to the contract: what the plugin says of itself, and the judges that the host opens.

import { verdicts } from "./rules.js";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    worst_start: {
      type: "integer",
      minimum: 1,
      maximum: 100,
      default: 10,
      description: "The worst start position that a winner may have.",
    },
  },
};

export const plugin = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "Vetoes scenarios that somebody wins from too far back.",
      paramsSchema: JSON.stringify(SCHEMA),
      vetoReasons: [
        {
          code: "winner-from-too-far-back",
          summary: "The winner started behind `worst_start`.",
          isHard: false,
        },
      ],
      posteriorLayout: undefined,
      judgesScenarios: true,
      judgesLineups: false,
    };
  },
};

class ScenarioJudge {
  constructor(start, worstStart) {
    this.start = start;
    this.worstStart = worstStart;
  }

  static open(race, params) {
    return new ScenarioJudge(race.start, JSON.parse(params).worst_start);
  }

  judge(block) {
    return verdicts(block.finish, this.start, this.worstStart);
  }
}

class LineupJudge {
  static open() {
    throw { tag: "unsupported-input", val: "this constraint does not judge lineups" };
  }

  judge() {
    return new Uint8Array();
  }
}

export const judgement = { ScenarioJudge, LineupJudge };
