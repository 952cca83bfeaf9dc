"""What the plugin says of itself. The judges that the host opens are in `judgement.py`, which has the name of their interface."""

import json

from wit_world import exports
from wit_world.exports.plugin import Description, VetoReason

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "worst_start": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 10,
            "description": "The worst start position that a winner may have.",
        }
    },
}


class Plugin(exports.Plugin):
    def describe(self):
        reason = VetoReason("winner-from-too-far-back", "The winner started behind `worst_start`.", False)
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Vetoes scenarios that somebody wins from too far back.",
            params_schema=json.dumps(SCHEMA),
            veto_reasons=[reason],
            posterior_layout=None,
            judges_scenarios=True,
            judges_lineups=False,
        )
