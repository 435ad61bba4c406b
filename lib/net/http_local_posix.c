/* See http_internal.h: curl knows Unix sockets. */
#include "net/http_internal.h"

CURLcode ts_http_set_local(struct ts_http_req *r, const char *path)
{
    return curl_easy_setopt(r->easy, CURLOPT_UNIX_SOCKET_PATH, path);
}
