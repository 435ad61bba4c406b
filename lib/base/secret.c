/* See secret.h. */
#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define SECRET_MAX_BYTES 4096

struct ts_secret {
    size_t len;
    char text[];
};

/* A memset that the optimiser may not remove. */
static void wipe(void *p, size_t n)
{
    volatile unsigned char *b = p;
    while (n-- > 0) {
        *b++ = 0;
    }
}

struct ts_secret *ts_secret_new(const char *s)
{
    size_t len = strlen(s);
    struct ts_secret *secret = malloc(sizeof(*secret) + len + 1);
    if (secret != NULL) {
        secret->len = len;
        memcpy(secret->text, s, len + 1);
    }
    return secret;
}

static struct ts_secret *read_line(FILE *f, const char *path, struct ts_error *err)
{
    char line[SECRET_MAX_BYTES + 2];
    if (!ts_file_is_private(f, path, err)) {
        return NULL;
    }
    if (fgets(line, sizeof(line), f) == NULL) {
        ts_error_set(err, TS_E_INVALID, "%s: the secret is empty", path);
        return NULL;
    }
    size_t len = strcspn(line, "\r\n");
    struct ts_secret *secret = NULL;
    if (len == 0) {
        ts_error_set(err, TS_E_INVALID, "%s: the secret's first line is empty", path);
    } else if (len > SECRET_MAX_BYTES) {
        ts_error_set(err, TS_E_LIMIT, "%s: a secret has at most %d bytes", path, SECRET_MAX_BYTES);
    } else {
        line[len] = '\0';
        secret = ts_secret_new(line);
        if (secret == NULL) {
            ts_error_nomem(err);
        }
    }
    wipe(line, sizeof(line));
    return secret;
}

struct ts_secret *ts_secret_read(const char *path, struct ts_error *err)
{
    FILE *f = ts_file_open(path);
    if (f == NULL) {
        ts_error_errno(err, errno, "read secret %s", path);
        return NULL;
    }
    (void)setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret in stdio's buffer */
    struct ts_secret *secret = read_line(f, path, err);
    (void)fclose(f);
    return secret;
}

void ts_secret_free(struct ts_secret *s)
{
    if (s != NULL) {
        wipe(s->text, s->len);
        free(s);
    }
}

const char *ts_secret_reveal(const struct ts_secret *s)
{
    return s->text;
}
