"""Joins the rules to the contract: the judges that the host opens."""

import json

from componentize_py_types import Err
from wit_world.exports import judgement
from wit_world.imports.types import Refusal_UnsupportedInput

import rules


class ScenarioJudge(judgement.ScenarioJudge):
    def __init__(self, start, worst_start):
        self.start = start
        self.worst_start = worst_start

    @classmethod
    def open(cls, race, params):
        return cls(race.start, json.loads(params)["worst_start"])

    def judge(self, block):
        return rules.verdicts(block.finish, self.start, self.worst_start)


class LineupJudge(judgement.LineupJudge):
    @classmethod
    def open(cls, slate, params):
        raise Err(Refusal_UnsupportedInput("this constraint does not judge lineups"))

    def judge(self, block):
        return b""
