// Joins the fit to the contract: one chain, driven by the host.
#include <stdlib.h>
#include <string.h>

#include "calibrator.h"
#include "numbers.h"
#include "rules.h"

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"draws\":{\"type\":\"integer\",\"minimum\":10,"
    "\"maximum\":20000,\"default\":200,\"description\":\"Draws to keep per chain.\"},\"prior_races\":{\"type\":\"number\","
    "\"minimum\":0.1,\"maximum\":100,\"default\":2,\"description\":\"How many races of average results the prior is worth.\"}}}";

void exports_paddock_plugin_plugin_describe(exports_paddock_plugin_plugin_description_t *ret) {
    memset(ret, 0, sizeof *ret);
    calibrator_string_dup(&ret->name, "{{name}}");
    calibrator_string_dup(&ret->version, "0.1.0");
    calibrator_string_dup(&ret->summary, "Fits how far in front each driver tends to finish.");
    calibrator_string_dup(&ret->params_schema, SCHEMA);
    ret->posterior_layout.is_some = true;
    calibrator_string_dup(&ret->posterior_layout.val, "{{name}}/1");
}

struct exports_paddock_plugin_calibration_chain_t {
    double *mean, *deviation;
    size_t drivers;
    uint32_t draws, done, taken, index;
    uint64_t seed;
};

static exports_paddock_plugin_calibration_chain_t *chain_of(exports_paddock_plugin_calibration_history_t *history,
                                                            exports_paddock_plugin_calibration_params_json_t *params,
                                                            uint64_t seed, uint32_t index) {
    exports_paddock_plugin_calibration_chain_t *chain = malloc(sizeof *chain);
    chain->drivers = history->driver_count;
    chain->mean = malloc(chain->drivers * sizeof(double));
    chain->deviation = malloc(chain->drivers * sizeof(double));
    chain->draws = (uint32_t)json_number(params->ptr, params->len, "draws");
    chain->done = chain->taken = 0;
    chain->index = index;
    chain->seed = seed;
    fit(history->race_offsets.ptr, history->race_offsets.len - 1, history->weight.ptr, history->driver.ptr,
        history->finish.ptr, chain->drivers, json_number(params->ptr, params->len, "prior_races"), chain->mean,
        chain->deviation);
    exports_paddock_plugin_calibration_history_free(history);
    exports_paddock_plugin_calibration_params_json_free(params);
    return chain;
}

bool exports_paddock_plugin_calibration_static_chain_open(exports_paddock_plugin_calibration_history_t *history,
                                                          exports_paddock_plugin_calibration_params_json_t *params,
                                                          uint64_t seed, uint32_t chain_index,
                                                          exports_paddock_plugin_calibration_own_chain_t *ret,
                                                          exports_paddock_plugin_calibration_refusal_t *err) {
    *ret = exports_paddock_plugin_calibration_chain_new(chain_of(history, params, seed, chain_index));
    return true;
}

bool exports_paddock_plugin_calibration_static_chain_restore(exports_paddock_plugin_calibration_history_t *history,
                                                             exports_paddock_plugin_calibration_params_json_t *params,
                                                             uint64_t seed, uint32_t chain_index,
                                                             calibrator_list_u8_t *checkpoint,
                                                             exports_paddock_plugin_calibration_own_chain_t *ret,
                                                             exports_paddock_plugin_calibration_refusal_t *err) {
    exports_paddock_plugin_calibration_chain_t *chain = chain_of(history, params, seed, chain_index);
    bool is_ours = load(checkpoint->ptr, checkpoint->len, chain->draws, &chain->done, &chain->taken);
    calibrator_list_u8_free(checkpoint);
    if (is_ours) {
        *ret = exports_paddock_plugin_calibration_chain_new(chain);
    } else {
        exports_paddock_plugin_calibration_chain_destructor(chain);
        err->tag = PADDOCK_PLUGIN_TYPES_REFUSAL_FOREIGN_CHECKPOINT;
        calibrator_string_dup(&err->val.foreign_checkpoint, "these bytes are no checkpoint of this chain");
    }
    return is_ours;
}

void exports_paddock_plugin_calibration_method_chain_layout(exports_paddock_plugin_calibration_borrow_chain_t chain,
                                                            exports_paddock_plugin_calibration_list_parameter_t *ret) {
    ret->len = 1;
    ret->ptr = malloc(sizeof *ret->ptr);
    calibrator_string_dup(&ret->ptr->name, "driver");
    ret->ptr->shape.len = 1;
    ret->ptr->shape.ptr = malloc(sizeof(uint32_t));
    ret->ptr->shape.ptr[0] = (uint32_t)chain->drivers;
    ret->ptr->is_main = true;
}

bool exports_paddock_plugin_calibration_method_chain_step(exports_paddock_plugin_calibration_borrow_chain_t chain,
                                                          uint32_t iterations,
                                                          exports_paddock_plugin_calibration_progress_t *ret,
                                                          exports_paddock_plugin_calibration_refusal_t *err) {
    uint32_t left = chain->draws - chain->done;
    chain->done += iterations < left ? iterations : left;
    *ret = (exports_paddock_plugin_calibration_progress_t){chain->done, chain->draws, false, 0, 0};
    return true;
}

void exports_paddock_plugin_calibration_method_chain_take_draws(exports_paddock_plugin_calibration_borrow_chain_t chain,
                                                                exports_paddock_plugin_calibration_draws_t *ret) {
    ret->draw_count = chain->done - chain->taken;
    ret->values.len = ret->draw_count * chain->drivers;
    ret->values.ptr = malloc(ret->values.len ? ret->values.len * sizeof(double) : 1);
    for (double *row = ret->values.ptr; chain->taken < chain->done; chain->taken++, row += chain->drivers) {
        draw(chain->mean, chain->deviation, chain->drivers, chain->seed, chain->index, chain->taken, row);
    }
}

void exports_paddock_plugin_calibration_method_chain_checkpoint(exports_paddock_plugin_calibration_borrow_chain_t chain,
                                                                calibrator_list_u8_t *ret) {
    ret->len = CHECKPOINT_BYTES;
    ret->ptr = malloc(CHECKPOINT_BYTES);
    save(chain->done, chain->taken, ret->ptr);
}

void exports_paddock_plugin_calibration_chain_destructor(exports_paddock_plugin_calibration_chain_t *chain) {
    free(chain->mean);
    free(chain->deviation);
    free(chain);
}
