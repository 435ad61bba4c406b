/* Build-time helper, not installed: prints the table of keys for tests/lint/check_conf.py. */
#include <stdlib.h>

#include "config/config.h"

int main(void)
{
    return ts_config_print_schema(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
