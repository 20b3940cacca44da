#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The Internet checksum's sum before it is folded, of 32-bit words in 64 bits (RFC 1071 2(C)); `sum` is gone on with.
static inline uint64_t add_up(const void *bytes, size_t count, uint64_t sum)
{
    const uint8_t *place = bytes;
    uint64_t lanes[4] = {0};
    for (; count >= 16; count -= 16, place += 16) {
        uint32_t words[4];
        memcpy(words, place, sizeof words);
        for (int lane = 0; lane < 4; lane++)
            lanes[lane] += words[lane];
    }
    for (int lane = 0; lane < 4; lane++)
        sum += (lanes[lane] & 0xffffffff) + (lanes[lane] >> 32);
    for (; count >= 2; count -= 2, place += 2) {
        uint16_t word;
        memcpy(&word, place, sizeof word);
        sum += word;
    }
    return count ? sum + *place : sum;
}

static inline uint16_t folded(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

#endif
