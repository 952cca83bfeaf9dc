// Joins the rules to the contract: what the plugin says of itself, and the judges that the host opens.
#include <stdlib.h>
#include <string.h>

#include "constraint.h"
#include "numbers.h"
#include "rules.h"

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"worst_start\":{\"type\":\"integer\","
    "\"minimum\":1,\"maximum\":100,\"default\":10,\"description\":\"The worst start position that a winner may have.\"}}}";

void exports_paddock_plugin_plugin_describe(exports_paddock_plugin_plugin_description_t *ret) {
    constraint_string_dup(&ret->name, "{{name}}");
    constraint_string_dup(&ret->version, "0.1.0");
    constraint_string_dup(&ret->summary, "Vetoes scenarios that somebody wins from too far back.");
    constraint_string_dup(&ret->params_schema, SCHEMA);
    ret->veto_reasons.len = 1;
    ret->veto_reasons.ptr = malloc(sizeof *ret->veto_reasons.ptr);
    constraint_string_dup(&ret->veto_reasons.ptr->code, "winner-from-too-far-back");
    constraint_string_dup(&ret->veto_reasons.ptr->summary, "The winner started behind `worst_start`.");
    ret->veto_reasons.ptr->is_hard = false;
    ret->posterior_layout.is_some = false;
    ret->judges_scenarios = true;
    ret->judges_lineups = false;
}

struct exports_paddock_plugin_judgement_scenario_judge_t {
    constraint_list_u16_t start;
    uint32_t worst_start;
};

bool exports_paddock_plugin_judgement_static_scenario_judge_open(
    exports_paddock_plugin_judgement_race_t *race, exports_paddock_plugin_judgement_params_json_t *params,
    exports_paddock_plugin_judgement_own_scenario_judge_t *ret, exports_paddock_plugin_judgement_refusal_t *err) {
    exports_paddock_plugin_judgement_scenario_judge_t *judge = malloc(sizeof *judge);
    judge->worst_start = (uint32_t)json_number(params->ptr, params->len, "worst_start");
    // The judge keeps the start positions; what else came in is freed.
    judge->start = race->start;
    race->start.len = 0;
    race->start.ptr = NULL;
    exports_paddock_plugin_judgement_race_free(race);
    exports_paddock_plugin_judgement_params_json_free(params);
    *ret = exports_paddock_plugin_judgement_scenario_judge_new(judge);
    return true;
}

bool exports_paddock_plugin_judgement_method_scenario_judge_judge(
    exports_paddock_plugin_judgement_borrow_scenario_judge_t judge,
    exports_paddock_plugin_judgement_scenario_block_t *block, constraint_list_u8_t *ret,
    exports_paddock_plugin_judgement_refusal_t *err) {
    size_t entries = judge->start.len;
    ret->len = block->scenarios;
    ret->ptr = malloc(ret->len ? ret->len : 1);
    for (size_t row = 0; row < ret->len; row++) {
        ret->ptr[row] = verdict(block->finish.ptr + row * entries, judge->start.ptr, entries, judge->worst_start);
    }
    exports_paddock_plugin_judgement_scenario_block_free(block);
    return true;
}

void exports_paddock_plugin_judgement_scenario_judge_destructor(exports_paddock_plugin_judgement_scenario_judge_t *judge) {
    constraint_list_u16_free(&judge->start);
    free(judge);
}

bool exports_paddock_plugin_judgement_static_lineup_judge_open(
    exports_paddock_plugin_judgement_slate_t *slate, exports_paddock_plugin_judgement_params_json_t *params,
    exports_paddock_plugin_judgement_own_lineup_judge_t *ret, exports_paddock_plugin_judgement_refusal_t *err) {
    exports_paddock_plugin_judgement_slate_free(slate);
    exports_paddock_plugin_judgement_params_json_free(params);
    err->tag = PADDOCK_PLUGIN_TYPES_REFUSAL_UNSUPPORTED_INPUT;
    constraint_string_dup(&err->val.unsupported_input, "this constraint does not judge lineups");
    return false;
}

bool exports_paddock_plugin_judgement_method_lineup_judge_judge(
    exports_paddock_plugin_judgement_borrow_lineup_judge_t judge,
    exports_paddock_plugin_judgement_lineup_block_t *block, constraint_list_u8_t *ret,
    exports_paddock_plugin_judgement_refusal_t *err) {
    // No lineup judge opens, so none is asked.
    abort();
}

void exports_paddock_plugin_judgement_lineup_judge_destructor(exports_paddock_plugin_judgement_lineup_judge_t *judge) {}
