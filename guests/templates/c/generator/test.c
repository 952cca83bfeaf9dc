#include <assert.h>
#include <stdio.h>

#include "numbers.h"
#include "rules.h"

int main(void) {
    const double keys[] = {0.5, 2.0, -1.0};
    uint16_t found[3];
    places(keys, 3, found);
    assert(found[0] == 2 && found[1] == 1 && found[2] == 3);
    double error = natural_log(10) - 2.302585092994046;
    assert(error < 1e-14 && error > -1e-14);
    puts("ok");
    return 0;
}
