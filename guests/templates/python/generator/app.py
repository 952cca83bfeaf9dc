"""What the plugin says of itself. The generator is in `generation.py`, which has the name of its interface."""

import json

from wit_world import exports
from wit_world.exports.plugin import Description

LAYOUT = "attrition-plackett-luce/1"  # which the built-in `calibrator-attrition` writes

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "spread": {
            "type": "number",
            "minimum": 0.1,
            "maximum": 10,
            "default": 1,
            "description": "How much luck there is beside strength.",
        }
    },
}


class Plugin(exports.Plugin):
    def describe(self):
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Draws finishing orders from driver strengths and luck.",
            params_schema=json.dumps(SCHEMA),
            veto_reasons=[],
            posterior_layout=LAYOUT,
            judges_scenarios=False,
            judges_lineups=False,
        )
