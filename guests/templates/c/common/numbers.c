#include "numbers.h"

static int begins(const uint8_t *text, size_t length, const char *with) {
    size_t i = 0;
    while (with[i] && i < length && text[i] == (uint8_t)with[i]) i++;
    return !with[i];
}

static size_t digits(const uint8_t *json, size_t length, size_t at, double *value, double *scale) {
    while (at < length && json[at] >= '0' && json[at] <= '9') {
        *value = *value * 10 + (json[at++] - '0');
        *scale *= 10;
    }
    return at;
}

double json_number(const uint8_t *json, size_t length, const char *name) {
    size_t at = 0;
    while (at < length && !(json[at] == '"' && begins(json + at + 1, length - at - 1, name))) at++;
    while (at < length && json[at] != ':') at++;
    at++;
    while (at < length && json[at] == ' ') at++;
    int is_negative = at < length && json[at] == '-';
    double value = 0, whole = 1, fraction = 1, power = 0, unused = 1;
    at = digits(json, length, at + is_negative, &value, &whole);
    if (at < length && json[at] == '.') at = digits(json, length, at + 1, &value, &fraction);
    value /= fraction;
    if (at < length && (json[at] == 'e' || json[at] == 'E')) {
        int is_small = json[at + 1] == '-';
        digits(json, length, at + 1 + (is_small || json[at + 1] == '+'), &power, &unused);
        for (; power > 0; power--) value = is_small ? value / 10 : value * 10;
    }
    return is_negative ? -value : value;
}

stream stream_of(uint64_t seed, uint64_t number) {
    return (stream){seed ^ (number + 1) * 0x9e3779b97f4a7c15u};
}

double uniform(stream *from) {
    uint64_t mixed = from->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    return ((double)(mixed >> 11) + 0.5) / 9007199254740992.0;
}

double normal(stream *from) {
    double x, square;
    do {
        x = 2 * uniform(from) - 1;
        double y = 2 * uniform(from) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * __builtin_sqrt(-2 * natural_log(square) / square);
}

double gumbel(stream *from) {
    return -natural_log(-natural_log(uniform(from)));
}

double natural_log(double x) {
    const double ln2 = 0.69314718055994530942, root_half = 0.70710678118654752440;
    union {
        double value;
        uint64_t bits;
    } number = {x};
    int exponent = (int)(number.bits >> 52) - 1022;
    number.bits = (number.bits & 0x000fffffffffffffu) | 0x3fe0000000000000u;  // in 0.5..1
    if (number.value < root_half) {
        number.value *= 2;
        exponent--;
    }
    // log(m) = 2 artanh((m - 1) / (m + 1)), where the argument is below 0.18.
    double ratio = (number.value - 1) / (number.value + 1), square = ratio * ratio, sum = 0;
    for (int power = 21; power >= 1; power -= 2) sum = sum * square + 1.0 / power;
    return exponent * ln2 + 2 * ratio * sum;
}
