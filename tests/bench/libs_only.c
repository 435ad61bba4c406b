/*
 * Initialises the libraries of tradestackd, as it does, and nothing else: what its memory and its
 * start-up time are measured against. Prints a line when that is done, then waits for the end of
 * its standard input.
 *
 *   libs_only FOLDER    for a database file
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <ini.h>
#include <jansson.h>
#include <openssl/evp.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <sqlite3.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

static int on_key(void *ctx, const char *section, const char *name, const char *value)
{
    (void)section;
    (void)name;
    (void)value;
    return ctx != NULL;
}

static sqlite3 *open_database(const char *folder)
{
    char path[4096];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof(path), "%s/libs_only.db", folder);
    bool ok =
        sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_exec(
            db,
            "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS t (x);",
            NULL, NULL, NULL) == SQLITE_OK;
    return ok ? db : NULL;
}

int main(int argc, char **argv)
{
    int error;
    PCRE2_SIZE at;
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size;
    if (argc != 2) {
        return 2;
    }
    struct event_base *base = event_base_new();
    struct evdns_base *dns = base == NULL ? NULL : evdns_base_new(base, 0);
    CURLcode curl = curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    CURL *easy = curl_easy_init();
    sqlite3 *db = open_database(argv[1]);
    sd_bus *bus = NULL;
    (void)sd_bus_open_system(&bus); /* may be absent, as for tradestackd */
    json_t *json = json_loads("{\"a\":[1]}", 0, NULL);
    pcre2_code *pattern =
        pcre2_compile((PCRE2_SPTR) "a+b", PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
    bool ok = dns != NULL && curl == CURLE_OK && multi != NULL && easy != NULL && db != NULL &&
              json != NULL && pattern != NULL &&
              EVP_Digest("x", 1, sum, &size, EVP_sha256(), NULL) == 1 &&
              ini_parse_string("[a]\nb=c\n", on_key, &ok) == 0 && sd_notify(0, "READY=1") >= 0;
    (void)puts(ok ? "ready" : "failed");
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    (void)sd_bus_flush_close_unref(bus);
    pcre2_code_free(pattern);
    json_decref(json);
    (void)sqlite3_close(db);
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    curl_global_cleanup();
    evdns_base_free(dns, 0);
    event_base_free(base);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
