// Joins the drawing to the contract. A starting point: nobody retires, and the winner leads all laps.
#include <stdlib.h>
#include <string.h>

#include "generator.h"
#include "numbers.h"
#include "rules.h"

// The posterior layout that this generator reads, which the built-in `calibrator-attrition` writes.
#define LAYOUT "attrition-plackett-luce/1"
#define UNSEEN 4294967295u

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"spread\":{\"type\":\"number\",\"minimum\":0.1,"
    "\"maximum\":10,\"default\":1,\"description\":\"How much luck there is beside strength.\"}}}";

void exports_paddock_plugin_plugin_describe(exports_paddock_plugin_plugin_description_t *ret) {
    memset(ret, 0, sizeof *ret);
    generator_string_dup(&ret->name, "{{name}}");
    generator_string_dup(&ret->version, "0.1.0");
    generator_string_dup(&ret->summary, "Draws finishing orders from driver strengths and luck.");
    generator_string_dup(&ret->params_schema, SCHEMA);
    ret->posterior_layout.is_some = true;
    generator_string_dup(&ret->posterior_layout.val, LAYOUT);
}

struct exports_paddock_plugin_generation_generator_t {
    // Strengths of the race's entries, one row per posterior draw.
    double *strengths;
    // Room for the keys of one scenario.
    double *keys;
    size_t draws, entries;
    uint16_t race_laps;
    double spread;
    uint64_t seed;
};

// The first column of the block `driver`, and the columns of a draw.
static bool driver_columns(const paddock_plugin_types_model_t *model, size_t *first, size_t *columns) {
    bool is_there = false;
    *columns = 0;
    for (size_t block = 0; block < model->parameters.len; block++) {
        const paddock_plugin_types_parameter_t *parameter = &model->parameters.ptr[block];
        size_t size = 1;
        for (size_t axis = 0; axis < parameter->shape.len; axis++) size *= parameter->shape.ptr[axis];
        const char name[] = "driver";
        bool is_driver = parameter->name.len == sizeof name - 1;
        for (size_t i = 0; is_driver && i < sizeof name - 1; i++) is_driver = parameter->name.ptr[i] == (uint8_t)name[i];
        if (is_driver) *first = *columns;
        is_there |= is_driver;
        *columns += size;
    }
    return is_there;
}

bool exports_paddock_plugin_generation_static_generator_open(
    exports_paddock_plugin_generation_model_t *model, exports_paddock_plugin_generation_race_t *race,
    exports_paddock_plugin_generation_params_json_t *params, uint64_t seed,
    exports_paddock_plugin_generation_own_generator_t *ret, exports_paddock_plugin_generation_refusal_t *err) {
    size_t first, columns;
    bool is_known = driver_columns(model, &first, &columns);
    if (is_known) {
        exports_paddock_plugin_generation_generator_t *generator = malloc(sizeof *generator);
        generator->draws = model->draw_count;
        generator->entries = race->start.len;
        generator->race_laps = race->race_laps;
        generator->spread = json_number(params->ptr, params->len, "spread");
        generator->seed = seed;
        generator->keys = malloc(generator->entries * sizeof(double));
        generator->strengths = malloc(generator->draws * generator->entries * sizeof(double));
        for (size_t draw = 0; draw < generator->draws; draw++) {
            for (size_t entry = 0; entry < generator->entries; entry++) {
                uint32_t driver = race->driver.ptr[entry];
                double strength = driver == UNSEEN ? 0 : model->draws.ptr[draw * columns + first + driver];
                generator->strengths[draw * generator->entries + entry] = strength;
            }
        }
        *ret = exports_paddock_plugin_generation_generator_new(generator);
    } else {
        err->tag = PADDOCK_PLUGIN_TYPES_REFUSAL_FOREIGN_MODEL;
        generator_string_dup(&err->val.foreign_model, "the model has no block `driver`");
    }
    exports_paddock_plugin_generation_model_free(model);
    exports_paddock_plugin_generation_race_free(race);
    exports_paddock_plugin_generation_params_json_free(params);
    return is_known;
}

static generator_list_u16_t cells(size_t count) {
    return (generator_list_u16_t){malloc(count ? count * sizeof(uint16_t) : 1), count};
}

bool exports_paddock_plugin_generation_method_generator_generate(
    exports_paddock_plugin_generation_borrow_generator_t generator, uint64_t first_scenario, uint32_t scenarios,
    exports_paddock_plugin_generation_scenario_block_t *ret, exports_paddock_plugin_generation_refusal_t *err) {
    size_t entries = generator->entries, count = scenarios * entries;
    ret->scenarios = scenarios;
    ret->finish = cells(count);
    ret->laps_led = cells(count);
    ret->fastest_laps = cells(count);
    ret->laps_completed = cells(count);
    ret->retired.ptr = memset(malloc(count ? count : 1), 0, count);
    ret->retired.len = count;
    for (uint32_t row = 0; row < scenarios; row++) {
        uint64_t number = first_scenario + row;
        const double *strengths = generator->strengths + (number % generator->draws) * entries;
        finish_of(strengths, entries, generator->spread, generator->seed, number, generator->keys,
                  ret->finish.ptr + row * entries);
    }
    for (size_t cell = 0; cell < count; cell++) {
        uint16_t led = ret->finish.ptr[cell] == 1 ? generator->race_laps : 0;
        ret->laps_led.ptr[cell] = led;
        ret->fastest_laps.ptr[cell] = led;
        ret->laps_completed.ptr[cell] = generator->race_laps;
    }
    return true;
}

void exports_paddock_plugin_generation_generator_destructor(exports_paddock_plugin_generation_generator_t *generator) {
    free(generator->strengths);
    free(generator->keys);
    free(generator);
}
