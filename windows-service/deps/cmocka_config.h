/* cmocka for mingw-w64: what its CMake run would have found out. */
#define HAVE_INTTYPES_H               1
#define HAVE_IO_H                     1
#define HAVE_MALLOC_H                 1
#define HAVE_SIGNAL_H                 1
#define HAVE_STDINT_H                 1
#define HAVE_STDIO_H                  1
#define HAVE_STDLIB_H                 1
#define HAVE_STRING_H                 1
#define HAVE_TIME_H                   1
#define HAVE_SNPRINTF                 1
#define HAVE_VSNPRINTF                1
#define HAVE_GCC_THREAD_LOCAL_STORAGE 1
