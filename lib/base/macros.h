/* Compiler attributes behind our own names, so that another compiler has one place to look at. */
#ifndef TS_BASE_MACROS_H
#define TS_BASE_MACROS_H

#ifdef __MINGW32__
#define TS_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#else
#define TS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#endif
#define TS_MUST_CHECK   __attribute__((warn_unused_result))
#define TS_CLEANUP(fn)  __attribute__((cleanup(fn)))
#define TS_UNUSED       __attribute__((unused))
#define TS_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
