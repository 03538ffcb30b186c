#include "vectors.h"

int cbase64_can(cbase64_path path) {
  switch (path) {
    case cbase64_portable: return 1;
#if defined(__x86_64__)
    case cbase64_avx2: return __builtin_cpu_supports("avx2") != 0;
#elif defined(__aarch64__)
    case cbase64_neon: return 1;  // Part of the architecture.
#endif
    default: return 0;
  }
}

size_t cbase64_encode(cbase64_path path, const uint8_t *source, size_t size, uint8_t *target) {
  switch (path) {
#if defined(__x86_64__)
    case cbase64_avx2: return encode_avx2(source, size, target);
#elif defined(__aarch64__)
    case cbase64_neon: return encode_neon(source, size, target);
#endif
    default: return 0;
  }
}

size_t cbase64_decode(cbase64_path path, const uint8_t *source, size_t size, uint8_t *target) {
  switch (path) {
#if defined(__x86_64__)
    case cbase64_avx2: return decode_avx2(source, size, target);
#elif defined(__aarch64__)
    case cbase64_neon: return decode_neon(source, size, target);
#endif
    default: return 0;
  }
}
