// The imports as WebAssembly sees them, for what the declarations of wasi-libc can't express: lengths of paths,
// pointers to nowhere, and functions that it leaves out.

#pragma once

#include <stdint.h>

#define RAW(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t raw_##name

RAW(args_get)(uint32_t argv, uint32_t buffer);
RAW(args_sizes_get)(uint32_t count, uint32_t size);
RAW(environ_get)(uint32_t environ, uint32_t buffer);
RAW(environ_sizes_get)(uint32_t count, uint32_t size);
RAW(clock_res_get)(int32_t id, uint32_t resolution);
RAW(clock_time_get)(int32_t id, int64_t precision, uint32_t time);
RAW(fd_advise)(int32_t fd, int64_t offset, int64_t length, int32_t advice);
RAW(fd_fdstat_get)(int32_t fd, uint32_t status);
RAW(fd_filestat_get)(int32_t fd, uint32_t status);
RAW(fd_pread)(int32_t fd, uint32_t vectors, uint32_t count, int64_t offset, uint32_t read);
RAW(fd_prestat_get)(int32_t fd, uint32_t status);
RAW(fd_prestat_dir_name)(int32_t fd, uint32_t path, uint32_t length);
RAW(fd_pwrite)(int32_t fd, uint32_t vectors, uint32_t count, int64_t offset, uint32_t written);
RAW(fd_read)(int32_t fd, uint32_t vectors, uint32_t count, uint32_t read);
RAW(fd_readdir)(int32_t fd, uint32_t buffer, uint32_t length, int64_t cookie, uint32_t used);
RAW(fd_seek)(int32_t fd, int64_t offset, int32_t whence, uint32_t position);
RAW(fd_tell)(int32_t fd, uint32_t position);
RAW(fd_write)(int32_t fd, uint32_t vectors, uint32_t count, uint32_t written);
RAW(path_create_directory)(int32_t fd, uint32_t path, uint32_t length);
RAW(path_filestat_get)(int32_t fd, int32_t flags, uint32_t path, uint32_t length, uint32_t status);
RAW(path_filestat_set_times)
(int32_t fd, int32_t flags, uint32_t path, uint32_t length, int64_t accessed, int64_t modified, int32_t which);
RAW(path_link)
(int32_t old_fd, int32_t flags, uint32_t old_path, uint32_t old_length, int32_t new_fd, uint32_t new_path,
 uint32_t new_length);
RAW(path_open)
(int32_t fd, int32_t lookup, uint32_t path, uint32_t length, int32_t flags, int64_t rights, int64_t inheriting,
 int32_t fdflags, uint32_t opened);
RAW(path_readlink)
(int32_t fd, uint32_t path, uint32_t length, uint32_t buffer, uint32_t buffer_length, uint32_t used);
RAW(path_remove_directory)(int32_t fd, uint32_t path, uint32_t length);
RAW(path_rename)
(int32_t old_fd, uint32_t old_path, uint32_t old_length, int32_t new_fd, uint32_t new_path, uint32_t new_length);
RAW(path_symlink)(uint32_t target, uint32_t target_length, int32_t fd, uint32_t path, uint32_t length);
RAW(path_unlink_file)(int32_t fd, uint32_t path, uint32_t length);
RAW(poll_oneoff)(uint32_t subscriptions, uint32_t events, uint32_t count, uint32_t stored);
RAW(proc_raise)(int32_t signal);
RAW(random_get)(uint32_t buffer, uint32_t length);
RAW(sock_accept)(int32_t fd, int32_t flags, uint32_t accepted);
RAW(sock_recv)(int32_t fd, uint32_t vectors, uint32_t count, int32_t flags, uint32_t read, uint32_t out_flags);
RAW(sock_send)(int32_t fd, uint32_t vectors, uint32_t count, int32_t flags, uint32_t sent);
RAW(sock_shutdown)(int32_t fd, int32_t how);

#undef RAW

// Where something is in linear memory.
#define ADDRESS(pointer) ((uint32_t)(uintptr_t)(pointer))
