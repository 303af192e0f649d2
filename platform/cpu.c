#include "platform/platform.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum reg { EBX, ECX };
/* Intel SDM volume 2, CPUID. The register state is what XCR0 must allow: 0x6 is XMM and YMM,
 * 0xe6 also the masks and ZMM. */
static const struct {
    enum pl_cpu feature;
    unsigned leaf;
    enum reg reg;
    unsigned bit, state;
} features[] = {
    {PL_CPU_SSSE3, 1, ECX, 9, 0},        {PL_CPU_AVX2, 7, EBX, 5, 0x6},
    {PL_CPU_GFNI, 7, ECX, 8, 0},         {PL_CPU_AVX512F, 7, EBX, 16, 0xe6},
    {PL_CPU_AVX512BW, 7, EBX, 30, 0xe6},
};

static unsigned enabled_state(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

unsigned pl_cpu_features(void)
{
    unsigned mask = 0, allowed = enabled_state();
    for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
        unsigned a, b, c, d;
        if (!__get_cpuid_count(features[i].leaf, 0, &a, &b, &c, &d))
            continue;
        unsigned word = features[i].reg == EBX ? b : c;
        if ((word >> features[i].bit & 1) && (allowed & features[i].state) == features[i].state)
            mask |= features[i].feature;
    }
    return mask;
}
#else
unsigned pl_cpu_features(void) { return 0; }
#endif
