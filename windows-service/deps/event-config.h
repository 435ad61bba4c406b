/* libevent for mingw-w64: what its configure run would have found out. */
#ifndef EVENT2_EVENT_CONFIG_H_INCLUDED_
#define EVENT2_EVENT_CONFIG_H_INCLUDED_

#define EVENT__HAVE_FCNTL_H                           1
#define EVENT__HAVE_GETADDRINFO                       1
#define EVENT__HAVE_GETNAMEINFO                       1
#define EVENT__HAVE_GETPROTOBYNUMBER                  1
#define EVENT__HAVE_GETSERVBYNAME                     1
#define EVENT__HAVE_GETTIMEOFDAY                      1
#define EVENT__HAVE_INTTYPES_H                        1
#define EVENT__HAVE_PUTENV                            1
#define EVENT__HAVE_SIGNAL                            1
#define EVENT__HAVE_STDARG_H                          1
#define EVENT__HAVE_STDDEF_H                          1
#define EVENT__HAVE_STDINT_H                          1
#define EVENT__HAVE_STDLIB_H                          1
#define EVENT__HAVE_STRING_H                          1
#define EVENT__HAVE_STRTOLL                           1
#define EVENT__HAVE_STRTOK_R                          1
#define EVENT__HAVE_STRUCT_ADDRINFO                   1
#define EVENT__HAVE_STRUCT_IN6_ADDR                   1
#define EVENT__HAVE_STRUCT_SOCKADDR_IN6               1
#define EVENT__HAVE_STRUCT_SOCKADDR_STORAGE           1
#define EVENT__HAVE_STRUCT_SOCKADDR_STORAGE_SS_FAMILY 1
#define EVENT__HAVE_SYS_PARAM_H                       1
#define EVENT__HAVE_SYS_STAT_H                        1
#define EVENT__HAVE_SYS_TIME_H                        1
#define EVENT__HAVE_SYS_TYPES_H                       1
#define EVENT__HAVE_TIMERCLEAR                        1
#define EVENT__HAVE_TIMERCMP                          1
#define EVENT__HAVE_TIMERISSET                        1
#define EVENT__HAVE_UINT16_T                          1
#define EVENT__HAVE_UINT32_T                          1
#define EVENT__HAVE_UINT64_T                          1
#define EVENT__HAVE_UINT8_T                           1
#define EVENT__HAVE_UINTPTR_T                         1
#define EVENT__HAVE_UNISTD_H                          1
#define EVENT__HAVE_USLEEP                            1
#define EVENT__HAVE_VASPRINTF                         1
#define EVENT__NUMERIC_VERSION                        0x02010c00
#define EVENT__PACKAGE                                "libevent"
#define EVENT__PACKAGE_VERSION                        "2.1.12-stable"
#define EVENT__SIZEOF_INT                             4
#define EVENT__SIZEOF_LONG                            4
#define EVENT__SIZEOF_LONG_LONG                       8
#define EVENT__SIZEOF_OFF_T                           4
#define EVENT__SIZEOF_SHORT                           2
#define EVENT__SIZEOF_SIZE_T                          8
#define EVENT__SIZEOF_SSIZE_T                         8
#define EVENT__SIZEOF_TIME_T                          8
#define EVENT__SIZEOF_VOID_P                          8
#define EVENT__SIZEOF_PTHREAD_T                       8
#define EVENT__TIME_WITH_SYS_TIME                     1
#define EVENT__VERSION                                "2.1.12-stable"
#define EVENT__inline                                 inline

#endif
