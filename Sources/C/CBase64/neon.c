// 48 bytes and 64 characters at a time, with loads that de-interleave, stores that interleave, and look-ups in 64
// bytes.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "vectors.h"

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t encode_neon(const uint8_t *source, size_t size, uint8_t *target) {
  const uint8x16x4_t table = vld1q_u8_x4((const uint8_t *)alphabet);
  const uint8x16_t six = vdupq_n_u8(0x3F);
  const uint8_t *start = source;
  for (; size >= 48; size -= 48, source += 48, target += 64) {
    const uint8x16x3_t bytes = vld3q_u8(source);
    uint8x16x4_t characters;
    characters.val[0] = vshrq_n_u8(bytes.val[0], 2);
    characters.val[1] = vandq_u8(vorrq_u8(vshrq_n_u8(bytes.val[1], 4), vshlq_n_u8(bytes.val[0], 4)), six);
    characters.val[2] = vandq_u8(vorrq_u8(vshrq_n_u8(bytes.val[2], 6), vshlq_n_u8(bytes.val[1], 2)), six);
    characters.val[3] = vandq_u8(bytes.val[2], six);
    for (int place = 0; place < 4; place++) characters.val[place] = vqtbl4q_u8(table, characters.val[place]);
    vst4q_u8(target, characters);
  }
  return (size_t)(source - start);
}

size_t decode_neon(const uint8_t *source, size_t size, uint8_t *target) {
  uint8_t values[128];
  for (int index = 0; index < 128; index++) values[index] = 0x80;
  for (int index = 0; index < 64; index++) values[(uint8_t)alphabet[index]] = (uint8_t)index;
  const uint8x16x4_t low = vld1q_u8_x4(values), high = vld1q_u8_x4(values + 64);
  const uint8_t *start = source;
  // The last four characters may be padding.
  for (; size >= 68; size -= 64, source += 64, target += 48) {
    uint8x16x4_t looked = vld4q_u8(source);
    uint8x16_t foreign = vdupq_n_u8(0);
    for (int place = 0; place < 4; place++) {
      const uint8x16_t character = looked.val[place];
      // A look-up outside of its table gives 0; the extended look-up keeps the previous value. Above 127 both miss: the
      // top bit of the character itself shows that.
      looked.val[place] = vqtbx4q_u8(vqtbl4q_u8(low, character), high, vsubq_u8(character, vdupq_n_u8(64)));
      foreign = vorrq_u8(foreign, vorrq_u8(looked.val[place], character));
    }
    if (vmaxvq_u8(foreign) > 127) break;
    uint8x16x3_t bytes;
    bytes.val[0] = vorrq_u8(vshlq_n_u8(looked.val[0], 2), vshrq_n_u8(looked.val[1], 4));
    bytes.val[1] = vorrq_u8(vshlq_n_u8(looked.val[1], 4), vshrq_n_u8(looked.val[2], 2));
    bytes.val[2] = vorrq_u8(vshlq_n_u8(looked.val[2], 6), looked.val[3]);
    vst3q_u8(target, bytes);
  }
  return (size_t)(source - start);
}
#endif
