/* What things are called here. */
#ifndef TS_TESTS_OS_NAMES_H
#define TS_TESTS_OS_NAMES_H

#define OS_FOLDER            "C:/windows"
#define OS_FILE_IS_NO_FOLDER false /* the C library says of it that there is no such file */
#define OS_LOCAL_KIND        TS_ADDRESS_NPIPE
#define OS_NOBODY            "//./pipe/ts-no-such-pipe" /* nobody listens there */
#define OS_NOBODY_SAYS       "no such pipe"
#define OS_NATIVE            "npipe:////./pipe/x"
#define OS_FOREIGN           "unix:///x"
#define OS_FOREIGN_SAYS      "Unix socket"

#endif
