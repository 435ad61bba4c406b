/* What things are called here. */
#ifndef TS_TESTS_OS_NAMES_H
#define TS_TESTS_OS_NAMES_H

#define OS_FOLDER            "/tmp"
#define OS_FILE_IS_NO_FOLDER true /* a path through a file is an error of its own */
#define OS_LOCAL_KIND        TS_ADDRESS_UNIX
#define OS_NOBODY            "/tmp/ts-no-such-socket" /* nobody listens there */
#define OS_NOBODY_SAYS       "No such file"
#define OS_NATIVE            "unix:///x"
#define OS_FOREIGN           "npipe:////./pipe/docker_engine"
#define OS_FOREIGN_SAYS      "Windows"

#endif
