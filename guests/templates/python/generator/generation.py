"""Joins the drawing to the contract. A starting point: nobody retires, and the winner leads all laps."""

import json
from math import prod

from componentize_py_types import Err
from wit_world.exports import generation
from wit_world.imports.types import Refusal_ForeignModel, ScenarioBlock

import rules

UNSEEN = 4294967295  # a driver that the model does not know


def strengths(model, race):
    """Strengths of the race's entries, one list per posterior draw."""
    first = columns = 0
    found = False
    for block in model.parameters:
        found = found or block.name == "driver"
        first += 0 if found else prod(block.shape)
        columns += prod(block.shape)
    if not found:
        raise Err(Refusal_ForeignModel("the model has no block `driver`"))
    of = lambda row, driver: 0.0 if driver == UNSEEN else model.draws[row * columns + first + driver]
    return [[of(row, driver) for driver in race.driver] for row in range(model.draw_count)]


class Generator(generation.Generator):
    @classmethod
    def open(cls, model, race, params, seed):
        self = cls()
        self.strengths = strengths(model, race)
        self.laps = race.race_laps
        self.spread = json.loads(params)["spread"]
        self.seed = seed
        return self

    def generate(self, first_scenario, scenarios):
        numbers = range(first_scenario, first_scenario + scenarios)
        of = lambda number: self.strengths[number % len(self.strengths)]
        finish = [place for number in numbers for place in rules.finish(of(number), self.spread, self.seed, number)]
        led = [self.laps if place == 1 else 0 for place in finish]
        return ScenarioBlock(scenarios, finish, led, led, [self.laps] * len(finish), bytes(len(finish)))
