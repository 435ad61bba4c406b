/* Text made fit for a terminal. Whatever comes from the daemon may come from a container's log. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl.h"

#define LINE_MAX_BYTES (64 * 1024)

/* The length of the UTF-8 sequence at text and its code point; 0: it is broken. RFC 3629. */
static size_t decode(const unsigned char *text, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] < 0x80             ? 1
               : (text[0] & 0xE0) == 0xC0 ? 2
               : (text[0] & 0xF0) == 0xE0 ? 3
               : (text[0] & 0xF8) == 0xF0 ? 4
                                          : 0;
    uint32_t point = n == 1 ? text[0] : n == 0 ? 0 : text[0] & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) { /* also the end of the text */
            return 0;
        }
        point = point << 6 | (text[i] & 0x3FU);
    }
    if (n == 0 || point < least[n] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
        return 0;
    }
    *ret = point;
    return n;
}

/* Steers the terminal, or makes text look like other text. */
static bool is_harmful(uint32_t point)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     /* C0 and C1: 0x9B begins a control sequence, too */
        {0x200E, 0x200F}, {0x2028, 0x202E}, /* direction, and line separators */
        {0x2066, 0x2069}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE007F},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(ranges); i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

static void put_clean(FILE *f, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        uint32_t point = 0;
        size_t n = decode(at, &point);
        if (n == 0 || is_harmful(point)) {
            (void)fputc(point == '\t' ? ' ' : '?', f);
        } else {
            (void)fwrite(at, 1, n, f);
        }
        at += n == 0 ? 1 : n;
    }
}

int ctl_columns(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return n;
}

/* Formats into out, which the caller empties. */
static const char *format(struct ts_buf *out, const char *fmt, va_list ap)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) >= 0) {
        (void)ts_buf_adds(out, text);
        free(text);
    }
    return ts_buf_text(out);
}

void ctl_put(const struct ctl *ctl, FILE *f, enum ctl_tone tone, const char *fmt, ...)
{
    static const char *const codes[] = {[TONE_PLAIN] = "",
                                        [TONE_GOOD] = "\033[32m",
                                        [TONE_WARN] = "\033[33m",
                                        [TONE_BAD] = "\033[31m",
                                        [TONE_DIM] = "\033[2m"};
    struct ts_buf out = ts_buf_init(LINE_MAX_BYTES);
    bool color = ctl->color && tone != TONE_PLAIN;
    va_list ap;
    va_start(ap, fmt);
    (void)fputs(color ? codes[tone] : "", f);
    put_clean(f, format(&out, fmt, ap));
    (void)fputs(color ? "\033[0m" : "", f);
    va_end(ap);
    ts_buf_done(&out);
}

void ctl_error(const char *fmt, ...)
{
    struct ts_buf out = ts_buf_init(LINE_MAX_BYTES);
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("tradestackctl: ", stderr);
    put_clean(stderr, format(&out, fmt, ap));
    (void)fputc('\n', stderr);
    va_end(ap);
    ts_buf_done(&out);
}

void ctl_hint(const char *fmt, ...)
{
    struct ts_buf out = ts_buf_init(LINE_MAX_BYTES);
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("  ", stderr);
    put_clean(stderr, format(&out, fmt, ap));
    (void)fputc('\n', stderr);
    va_end(ap);
    ts_buf_done(&out);
}

static void print_json(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    if (text != NULL) {
        (void)puts(text);
        free(text);
    }
    (void)fflush(stdout);
}

void ctl_print_json(const json_t *value)
{
    print_json(value, JSON_INDENT(2));
}

void ctl_print_json_line(const json_t *value)
{
    print_json(value, JSON_COMPACT);
}
