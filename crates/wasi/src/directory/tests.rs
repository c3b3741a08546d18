use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cap_std::ambient_authority;
use rustix::fs::{CWD, Timespec, Timestamps, utimensat};

use super::*;
use crate::attributes::timestamp;
use crate::error::Error;

fn preopened(path: &Path) -> Directory {
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    Directory::preopened(dir, "/".to_owned(), Access::ReadWrite)
}

fn opens(directory: &Directory, path: &str, follow: bool, oflags: Oflags) -> bool {
    let how = OpenHow {
        follow,
        read: true,
        write: oflags.contains(Oflags::CREAT),
        oflags,
        fdflags: Fdflags::empty(),
    };
    directory.open(path, how, i32::MAX).is_ok()
}

#[test]
fn links_out_are_not_followed_however_their_names_end() {
    let root = tempfile::tempdir().unwrap();
    let (inside, outside) = (root.path().join("inside"), root.path().join("outside"));
    fs::create_dir_all(inside.join("folder")).unwrap();
    fs::create_dir_all(outside.join("folder")).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let directory = preopened(&inside);
    for target in [
        "../outside",
        "../outside/",
        "../outside/.",
        "../outside/folder",
    ] {
        for end in ["/", "//", "/."] {
            let _ = fs::remove_file(inside.join("link"));
            symlink(target, inside.join("link")).unwrap();
            let path = format!("link{end}");
            let (it, path) = (&directory, path.as_str());
            for follow in [false, true] {
                for oflags in [Oflags::empty(), Oflags::DIRECTORY, Oflags::CREAT] {
                    assert!(!opens(it, path, follow, oflags), "{path} -> {target}");
                }
                assert!(it.filestat(path, follow).is_err(), "{path} -> {target}");
                let now = || Some(SystemTimeSpec::SymbolicNow);
                assert!(it.set_times(path, follow, now(), now()).is_err());
                assert!(it.link(path, follow, it, "stolen").is_err());
                assert!(it.link("folder", follow, it, path).is_err());
            }
            assert!(it.create_directory(path).is_err(), "{path} -> {target}");
            assert!(it.remove_directory(path).is_err(), "{path} -> {target}");
            assert!(it.unlink_file(path).is_err(), "{path} -> {target}");
            assert!(it.read_link(path).is_err(), "{path} -> {target}");
            assert!(it.symlink("folder", path).is_err(), "{path} -> {target}");
            assert!(it.rename(path, it, "stolen").is_err(), "{path} -> {target}");
            assert!(it.rename("folder", it, path).is_err(), "{path} -> {target}");
        }
    }
    let mut left: Vec<_> = fs::read_dir(&inside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["folder", "link"]);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
}

#[test]
fn files_of_all_times_have_a_status() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let directory = preopened(root.path());
    for seconds in [-(1 << 62), -(1 << 40), -1, 0, 1 << 33, 1 << 40, 1 << 62] {
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 7,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(CWD, &file, &times, AtFlags::empty()).unwrap();
        // File systems keep the nearest time that they can.
        let kept = rustix::fs::stat(&file).unwrap();
        let kept = timestamp(kept.st_mtime, kept.st_mtime_nsec.cast_signed());
        for follow in [false, true] {
            let status = directory.filestat("file", follow);
            let status = status.unwrap_or_else(|error: Error| panic!("{seconds}: {error:?}"));
            assert_eq!(status.mtim, kept, "{seconds}");
        }
    }
}
