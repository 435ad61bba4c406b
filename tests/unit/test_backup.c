/* Backups as folders: whole or not at all, and every change of them is seen. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/backup.h"
#include "base/json.h"

static char dir[64];
static struct ts_error err;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_dir(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    strcpy(dir, "/tmp/ts-backup-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int drop_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define BACKUP_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, drop_dir)

static const struct ts_backup_file files[] = {
    {"containers.json", "[{\"a\": 1}]", 10},
    {"env", "SECRET=x\n", 9},
};

static void write_one(char name[TS_BACKUP_NAME])
{
    json_t *note = json_pack("{s:s}", "by", "root");
    const struct ts_backup_order order = {.at = {1795617966123},
                                          .kind = "migrate",
                                          .project = "docker",
                                          .note = note,
                                          .files = files,
                                          .file_count = 2};
    if (!ts_backup_write(dir, &order, name, &err)) {
        fail_msg("%s", err.msg);
    }
    json_decref(note);
}

static void path_of(char path[200], const char *name, const char *file)
{
    (void)snprintf(path, 200, "%s/backups/%s/%s", dir, name, file);
}

static void test_it_is_kept_private_and_read_back(void **state)
{
    char name[TS_BACKUP_NAME];
    char path[200];
    struct stat st;
    (void)state;
    write_one(name);
    assert_string_equal(name, "20261125T144606Z-migrate");
    json_t *manifest = ts_backup_manifest(dir, name, &err);
    assert_string_equal(ts_json_str_or(manifest, "kind", ""), "migrate");
    assert_string_equal(ts_json_str_or(manifest, "note.by", ""), "root");
    assert_int_equal(json_array_size(ts_json_at(manifest, "files")), 2);
    json_decref(manifest);
    json_t *containers = ts_backup_json(dir, name, "containers.json", &err);
    assert_int_equal(json_array_size(containers), 1);
    json_decref(containers);
    path_of(path, name, "env");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    path_of(path, name, "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void test_names_are_unique_and_listed_by_age(void **state)
{
    char first[TS_BACKUP_NAME];
    char second[TS_BACKUP_NAME];
    (void)state;
    json_t *list = ts_backup_list(dir, &err);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    write_one(first);
    write_one(second);
    assert_string_equal(second, "20261125T144606Z-migrate-2");
    list = ts_backup_list(dir, &err);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 0)), first);
    json_decref(list);
    assert_true(ts_backup_remove(dir, first, &err));
    list = ts_backup_list(dir, &err);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
}

static void spoil(const char *name, const char *file, const char *bytes)
{
    char path[200];
    path_of(path, name, file);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    (void)close(fd);
}

static void test_what_was_changed_is_found(void **state)
{
    char name[TS_BACKUP_NAME];
    char path[200];
    (void)state;
    write_one(name);
    assert_true(ts_backup_verify(dir, name, &err));
    spoil(name, "env", "SECRET=y\n");
    assert_false(ts_backup_verify(dir, name, &err));
    assert_non_null(strstr(err.msg, "env is not what was written"));
    spoil(name, "env", "SECRET=x\n");
    assert_true(ts_backup_verify(dir, name, &err));
    spoil(name, "containers.json", "[]");
    assert_null(ts_backup_json(dir, name, "containers.json", &err));
    path_of(path, name, "env");
    assert_int_equal(unlink(path), 0);
    assert_false(ts_backup_verify(dir, name, &err));
    spoil(name, "manifest.json", "{\"version\": 2, \"files\": []}");
    assert_false(ts_backup_verify(dir, name, &err));
    assert_int_equal(err.code, TS_E_PROTOCOL);
    spoil(name, "manifest.json",
          "{\"version\": 1, \"files\": [{\"name\": \"../../x\", \"sha256\": \"\"}]}");
    assert_false(ts_backup_verify(dir, name, &err));
    assert_int_equal(err.code, TS_E_PROTOCOL);
}

static void test_a_link_is_not_followed(void **state)
{
    char name[TS_BACKUP_NAME];
    char path[200];
    (void)state;
    write_one(name);
    path_of(path, name, "env");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_false(ts_backup_verify(dir, name, &err));
}

static void test_a_half_written_one_is_none(void **state)
{
    char path[200];
    char name[TS_BACKUP_NAME];
    (void)state;
    write_one(name);
    (void)snprintf(path, sizeof(path), "%s/backups/20261125T144607Z-migrate.part", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    json_t *list = ts_backup_list(dir, &err);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
}

static void test_bad_names_and_missing_ones_are_told(void **state)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b"};
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(bad); i++) {
        assert_null(ts_backup_manifest(dir, bad[i], &err));
        assert_int_equal(err.code, TS_E_INVALID);
        assert_false(ts_backup_remove(dir, bad[i], &err));
    }
    assert_null(ts_backup_manifest(dir, "20261125T144606Z-migrate", &err));
    assert_int_equal(err.code, TS_E_NOT_FOUND);
}

static void test_what_cannot_be_written_leaves_nothing(void **state)
{
    char name[TS_BACKUP_NAME];
    const struct ts_backup_file odd = {"../env", "x", 1};
    const struct ts_backup_order order = {
        .kind = "rollout", .project = "p", .files = &odd, .file_count = 1};
    (void)state;
    assert_false(ts_backup_write(dir, &order, name, &err));
    json_t *list = ts_backup_list(dir, &err);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    assert_false(ts_backup_write("/nowhere/at/all", &order, name, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BACKUP_TEST(test_it_is_kept_private_and_read_back),
        BACKUP_TEST(test_names_are_unique_and_listed_by_age),
        BACKUP_TEST(test_what_was_changed_is_found),
        BACKUP_TEST(test_a_link_is_not_followed),
        BACKUP_TEST(test_a_half_written_one_is_none),
        BACKUP_TEST(test_bad_names_and_missing_ones_are_told),
        BACKUP_TEST(test_what_cannot_be_written_leaves_nothing),
    };
    return RUN_TESTS(tests);
}
