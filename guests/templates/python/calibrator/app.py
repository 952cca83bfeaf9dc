"""What the plugin says of itself. The chain is in `calibration.py`, which has the name of its interface."""

import json

from wit_world import exports
from wit_world.exports.plugin import Description

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "draws": {
            "type": "integer",
            "minimum": 10,
            "maximum": 20000,
            "default": 200,
            "description": "Draws to keep per chain.",
        },
        "prior_races": {
            "type": "number",
            "minimum": 0.1,
            "maximum": 100,
            "default": 2,
            "description": "How many races of average results the prior is worth.",
        },
    },
}


class Plugin(exports.Plugin):
    def describe(self):
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Fits how far in front each driver tends to finish.",
            params_schema=json.dumps(SCHEMA),
            veto_reasons=[],
            posterior_layout="{{name}}/1",
            judges_scenarios=False,
            judges_lineups=False,
        )
