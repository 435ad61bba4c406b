/* Requests of a program that is not ours: each is passed on whole, answered, or refused. */
#include "fuzz.h"

#include <string.h>

#include "stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_buf out = ts_buf_init(2 * CTL_STAGE_HEAD_MAX);
    enum ctl_stage_deed deed = CTL_STAGE_PASS;
    struct ts_error err = {.code = TS_E_NONE};
    const char *head = (const char *)data;
    if (!ctl_stage_judge(head, size, "docker", ".next-a1", &out, &deed, &err)) {
        FUZZ_CHECK(err.code != TS_E_NONE && err.msg[0] != '\0');
    } else if (deed == CTL_STAGE_PASS) {
        FUZZ_CHECK(out.len > 0 && memcmp(out.data, data, 2) == 0);
        FUZZ_CHECK(size < 7 || memcmp(head, "DELETE ", 7) != 0);
    } else {
        FUZZ_CHECK(strncmp(ts_buf_text(&out), "HTTP/1.1 ", 9) == 0);
    }
    ts_buf_done(&out);
    return 0;
}
