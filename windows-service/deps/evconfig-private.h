/* libevent includes it; for mingw-w64 there is nothing private to configure. */
