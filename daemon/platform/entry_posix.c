/* See entry.h. */
#include "platform/entry.h"

int main(int argc, char **argv)
{
    return ts_main(argc, argv);
}
