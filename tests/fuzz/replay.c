/*
 * Runs a fuzz target without a fuzzer: on every file of a corpus folder, then on mutations of them
 * made from a fixed seed, so that a run can be repeated. Prints TAP.
 *
 *   fuzz_NAME FOLDER [MUTATIONS_PER_FILE [SEED]]
 *
 * With clang the same target links against libFuzzer instead: -fsanitize=fuzzer, without this file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX 65536
#define FILES_MAX 512

struct input {
    uint8_t *bytes;
    size_t n;
};

static struct input inputs[FILES_MAX];
static size_t input_count;

/* xorshift64: any fixed sequence will do. */
static uint64_t seed = 88172645463325252ULL;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return n == 0 ? 0 : (size_t)(seed % n);
}

static int read_file(const char *path, struct input *ret)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return 0;
    }
    ret->bytes = malloc(INPUT_MAX);
    ret->n = ret->bytes == NULL ? 0 : fread(ret->bytes, 1, INPUT_MAX, f);
    int ok = ret->bytes != NULL && ferror(f) == 0 && feof(f) != 0;
    (void)fclose(f);
    return ok;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load(const char *folder)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, by_name);
    int ok = n >= 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            ok = ok && input_count < FILES_MAX && read_file(path, &inputs[input_count]);
            input_count++;
        }
        free(names[i]);
    }
    free(names);
    return ok && input_count > 0;
}

/* One random change: a byte, a cut, a doubled piece, or a piece of another file. */
static size_t mutate(uint8_t *bytes, size_t n)
{
    size_t at = below(n + 1);
    size_t len = below(n - at + 1);
    const struct input *other = &inputs[below(input_count)];
    switch (below(5)) {
    case 0:
        if (at < n) {
            bytes[at] = (uint8_t)below(256);
        }
        return n;
    case 1:
        if (at < n) {
            bytes[at] = (uint8_t)(bytes[at] ^ (1U << below(8)));
        }
        return n;
    case 2: /* cut out */ memmove(bytes + at, bytes + at + len, n - at - len); return n - len;
    case 3: /* double */
        if (n + len <= INPUT_MAX) {
            memmove(bytes + at + len, bytes + at, n - at);
            return n + len;
        }
        return n;
    default:
        len = below(other->n + 1);
        if (at + len <= INPUT_MAX) {
            memcpy(bytes + at, other->bytes, len);
            return at + len > n ? at + len : n;
        }
        return n;
    }
}

/* An exact allocation, so that a sanitizer sees every byte read beyond the end. */
static void run_on(const uint8_t *bytes, size_t n)
{
    uint8_t *exact = malloc(n == 0 ? 1 : n);
    if (exact != NULL) {
        memcpy(exact, bytes, n);
        (void)LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
}

int main(int argc, char **argv)
{
    static uint8_t work[INPUT_MAX];
    long mutations = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (argc > 3) {
        seed = strtoull(argv[3], NULL, 10) | 1;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)printf("1..2\n");
    if (argc < 2 || !load(argv[1])) {
        (void)printf("not ok 1 - the corpus can be read\n");
        return 1;
    }
    for (size_t i = 0; i < input_count; i++) {
        run_on(inputs[i].bytes, inputs[i].n);
    }
    (void)printf("ok 1 - %zu inputs of the corpus\n", input_count);
    for (size_t i = 0; i < input_count; i++) {
        for (long m = 0; m < mutations; m++) {
            size_t n = inputs[i].n;
            memcpy(work, inputs[i].bytes, n);
            for (size_t changes = 1 + below(4); changes > 0; changes--) {
                n = mutate(work, n);
            }
            run_on(work, n);
        }
    }
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].bytes);
    }
    (void)printf("ok 2 - %ld mutations of each\n", mutations);
    return 0;
}
