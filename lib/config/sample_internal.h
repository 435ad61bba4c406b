/* conf/tradestackd.conf, made into an array by embed.py at build time. */
#ifndef TS_CONFIG_SAMPLE_INTERNAL_H
#define TS_CONFIG_SAMPLE_INTERNAL_H

#include <stddef.h>

extern const unsigned char ts_config_sample_text[]; /* NUL behind the text */
extern const size_t ts_config_sample_len;

#endif
