/* See files.h. */
#include "platform/files.h"

#include "base/win.h"

bool ts_disk_space(const char *path, int64_t *ret_free_bytes, int64_t *ret_total_bytes)
{
    ULARGE_INTEGER left;
    ULARGE_INTEGER total;
    if (GetDiskFreeSpaceExA(path, &left, &total, NULL) == 0 || total.QuadPart == 0) {
        return false;
    }
    *ret_free_bytes = (int64_t)left.QuadPart;
    *ret_total_bytes = (int64_t)total.QuadPart;
    return true;
}

/* There are no such bits here; what the files of the stack may be read by is the engine's side. */
bool ts_file_mode(const char *path, unsigned *ret_mode)
{
    (void)path;
    (void)ret_mode;
    return false;
}
