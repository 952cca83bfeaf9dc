#include "rules.h"

uint8_t verdict(const uint16_t *finish, const uint16_t *start, size_t entries, uint32_t worst_start) {
    for (size_t entry = 0; entry < entries; entry++) {
        if (finish[entry] == 1) return start[entry] > worst_start ? TOO_FAR_BACK : 0;
    }
    return 0;
}
