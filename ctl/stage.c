/* See stage.h. */
#include "stage.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"

#define TARGET_MAX ((size_t)16 * 1024)
#define NAME_KEY   "name="

/* Of a request: its first line, taken apart. */
struct request {
    const char *method;
    size_t method_len;
    const char *target; /* path and query */
    size_t target_len;
    const char *path; /* without the version, up to the query */
    size_t path_len;
    const char *query; /* behind "?"; empty if there is none */
    size_t query_len;
    const char *rest; /* the headers, the empty line with them */
    size_t rest_len;
};

/* "/v1.43/containers/json" -> "/containers/json" */
static void skip_version(struct request *r)
{
    size_t n = 2;
    if (r->path_len < 3 || r->path[0] != '/' || r->path[1] != 'v') {
        return;
    }
    while (n < r->path_len && (isdigit((unsigned char)r->path[n]) || r->path[n] == '.')) {
        n++;
    }
    if (n > 2 && n < r->path_len && r->path[n] == '/') {
        r->path += n;
        r->path_len -= n;
    }
}

static bool parse(const char *head, size_t n, struct request *ret)
{
    const char *line_end = memchr(head, '\n', n);
    size_t line = line_end == NULL ? 0 : (size_t)(line_end - head);
    const char *space = line == 0 ? NULL : memchr(head, ' ', line);
    if (space == NULL || space == head) {
        return false;
    }
    const char *target = space + 1;
    const char *end = memchr(target, ' ', line - (size_t)(target - head));
    if (end == NULL || end == target || strncmp(end + 1, "HTTP/1.", 7) != 0) {
        return false;
    }
    *ret = (struct request){
        .method = head,
        .method_len = (size_t)(space - head),
        .target = target,
        .target_len = (size_t)(end - target),
        .path = target,
        .rest = line_end + 1,
        .rest_len = n - line - 1,
    };
    const char *mark = memchr(target, '?', ret->target_len);
    ret->path_len = mark == NULL ? ret->target_len : (size_t)(mark - target);
    ret->query = mark == NULL ? "" : mark + 1;
    ret->query_len = mark == NULL ? 0 : ret->target_len - ret->path_len - 1;
    skip_version(ret);
    return ret->target_len <= TARGET_MAX;
}

static bool is_method(const struct request *r, const char *method)
{
    return r->method_len == strlen(method) && strncmp(r->method, method, r->method_len) == 0;
}

static bool is_path(const struct request *r, const char *path)
{
    return r->path_len == strlen(path) && strncmp(r->path, path, r->path_len) == 0;
}

static bool begins(const struct request *r, const char *prefix)
{
    size_t n = strlen(prefix);
    return r->path_len >= n && strncmp(r->path, prefix, n) == 0;
}

static bool ends(const struct request *r, const char *suffix)
{
    size_t n = strlen(suffix);
    return r->path_len >= n && strncmp(r->path + r->path_len - n, suffix, n) == 0;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

/* One character of an escaped text; *at moves on. */
static char unescaped(const char *text, size_t n, size_t *at)
{
    if (text[*at] == '%' && *at + 2 < n && hex_digit(text[*at + 1]) >= 0 &&
        hex_digit(text[*at + 2]) >= 0) {
        char c = (char)(hex_digit(text[*at + 1]) * 16 + hex_digit(text[*at + 2]));
        *at += 3;
        return c;
    }
    return text[(*at)++];
}

/* Does the escaped text contain the plain one? */
static bool mentions(const char *text, size_t n, const char *plain)
{
    size_t from = 0;
    while (from < n) {
        size_t at = from;
        size_t same = 0;
        while (at < n && plain[same] != '\0' && unescaped(text, n, &at) == plain[same]) {
            same++;
        }
        if (plain[same] == '\0') {
            return true;
        }
        (void)unescaped(text, n, &from);
    }
    return false;
}

/* The project's containers are asked for, as a filter of a list. */
static bool asks_for_project(const struct request *r, const char *project)
{
    char label[160];
    int n = snprintf(label, sizeof(label), "\"com.docker.compose.project=%s\"", project);
    return is_method(r, "GET") && is_path(r, "/containers/json") && n > 0 &&
           (size_t)n < sizeof(label) && mentions(r->query, r->query_len, label);
}

/* What Compose needs to make containers and what they need. Everything else that changes something
 * is refused: nothing that exists is to be touched while it is at work. */
static bool may_pass(const struct request *r)
{
    static const char *const made[] = {
        "/containers/create", "/networks/create", "/volumes/create", "/auth", "/session", "/grpc"};
    if (is_method(r, "GET") || is_method(r, "HEAD")) {
        return true;
    }
    if (is_method(r, "PUT")) { /* files of a container: those of configs and secrets */
        return begins(r, "/containers/") && ends(r, "/archive");
    }
    if (!is_method(r, "POST")) {
        return false;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(made); i++) {
        if (is_path(r, made[i])) {
            return true;
        }
    }
    return begins(r, "/images/") || begins(r, "/build") ||
           (begins(r, "/networks/") && ends(r, "/connect"));
}

/* --- what is sent */

/* Finds "Name:" at a line's beginning. */
static bool is_header(const char *line, size_t n, const char *name)
{
    size_t len = strlen(name);
    return n > len && line[len] == ':' && strncasecmp(line, name, len) == 0;
}

/* The headers, so that the connection ends with this request's answer: each is judged by itself.
 * One that becomes something else (a build's session) stays as it is. */
static void add_headers(const struct request *r, struct ts_buf *out)
{
    bool upgrades = false;
    for (int round = 0; round < 2; round++) {
        const char *line = r->rest;
        size_t left = r->rest_len;
        while (left > 0) {
            const char *end = memchr(line, '\n', left);
            size_t n = end == NULL ? left : (size_t)(end - line) + 1;
            bool empty = n <= 2 && (line[0] == '\r' || line[0] == '\n');
            upgrades = upgrades || is_header(line, n, "Upgrade");
            if (round == 1 && empty && !upgrades) {
                (void)ts_buf_adds(out, "Connection: close\r\n");
            }
            if (round == 1 && (upgrades || !is_header(line, n, "Connection"))) {
                (void)ts_buf_add(out, line, n);
            }
            line += n;
            left -= n;
        }
    }
}

/* Where the name's value ends in the query, or 0: it has no name. */
static size_t name_end(const struct request *r)
{
    size_t key = strlen(NAME_KEY);
    for (size_t at = 0; at + key <= r->query_len; at++) {
        bool begins_here = at == 0 || r->query[at - 1] == '&';
        if (begins_here && strncmp(r->query + at, NAME_KEY, key) == 0) {
            const char *next = memchr(r->query + at, '&', r->query_len - at);
            return next == NULL ? r->query_len : (size_t)(next - r->query);
        }
    }
    return 0;
}

static bool write_head(const struct request *r, const char *suffix, struct ts_buf *out,
                       struct ts_error *err)
{
    bool creates = is_method(r, "POST") && is_path(r, "/containers/create");
    size_t split = creates ? name_end(r) : 0;
    if (creates && split == 0) {
        return ts_error_set(err, TS_E_PROTOCOL, "a container without a name");
    }
    const char *at = creates ? r->query + split : r->target + r->target_len;
    (void)ts_buf_add(out, r->method, r->method_len);
    (void)ts_buf_adds(out, " ");
    (void)ts_buf_add(out, r->target, (size_t)(at - r->target));
    (void)ts_buf_adds(out, creates ? suffix : "");
    (void)ts_buf_add(out, at, r->target_len - (size_t)(at - r->target));
    (void)ts_buf_adds(out, " HTTP/1.1\r\n");
    add_headers(r, out);
    return true;
}

static void write_answer(const char *status, const char *body, struct ts_buf *out)
{
    (void)ts_buf_addf(out,
                      "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                      "Connection: close\r\n\r\n%s",
                      status, strlen(body), body);
}

bool ctl_stage_judge(const char *head, size_t n, const char *project, const char *suffix,
                     struct ts_buf *out, enum ctl_stage_deed *ret, struct ts_error *err)
{
    struct request r;
    if (!parse(head, n, &r)) {
        return ts_error_set(err, TS_E_PROTOCOL, "no HTTP request");
    }
    if (asks_for_project(&r, project)) {
        *ret = CTL_STAGE_HIDE;
        write_answer("200 OK", "[]\n", out);
    } else if (!may_pass(&r)) {
        *ret = CTL_STAGE_REFUSE;
        write_answer("403 Forbidden",
                     "{\"message\":\"tradestackctl lets Compose only create here: what exists is "
                     "not to be touched\"}\n",
                     out);
    } else {
        *ret = CTL_STAGE_PASS;
        if (!write_head(&r, suffix, out, err)) {
            return false;
        }
    }
    return !out->failed || ts_error_set(err, TS_E_LIMIT, "a request's head is too long");
}
