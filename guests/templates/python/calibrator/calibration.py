"""Joins the fit to the contract: one chain, driven by the host."""

import json

from componentize_py_types import Err
from wit_world.exports import calibration
from wit_world.exports.calibration import Draws, Progress
from wit_world.imports.types import Parameter, Refusal_ForeignCheckpoint

import rules


class Chain(calibration.Chain):
    @classmethod
    def open(cls, history, params, seed, chain_index):
        self = cls()
        values = json.loads(params)
        self.fitted = rules.posterior(
            history.race_offsets,
            history.weight,
            history.driver_count,
            history.driver,
            history.finish,
            values["prior_races"],
        )
        self.draws = values["draws"]
        self.seed, self.chain = seed, chain_index
        self.done = self.taken = 0
        return self

    @classmethod
    def restore(cls, history, params, seed, chain_index, checkpoint):
        self = cls.open(history, params, seed, chain_index)
        found = rules.load(bytes(checkpoint), self.draws)
        if found is None:
            raise Err(Refusal_ForeignCheckpoint("these bytes are no checkpoint of this chain"))
        self.done, self.taken = found
        return self

    def layout(self):
        return [Parameter("driver", [len(self.fitted)], True)]

    def step(self, iterations):
        self.done = min(self.done + iterations, self.draws)
        return Progress(self.done, self.draws, False, 0, 0)

    def take_draws(self):
        numbers = range(self.taken, self.done)
        self.taken = self.done
        values = [value for number in numbers for value in rules.draw(self.fitted, self.seed, self.chain, number)]
        return Draws(len(numbers), values)

    def checkpoint(self):
        return rules.save(self.done, self.taken)
