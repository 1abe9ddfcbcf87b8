//! The journal's file: where it lies, who may read it, and that it has one owner.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{Fault, OpenError};
use crate::model::id::BootId;
use crate::model::text::clip;

/// So often, and so long after each other, a lock is tried that somebody may have for a moment only.
const LOOKERS: u32 = 10;
const MOMENT: Duration = Duration::from_millis(10);

/// Kinds of file systems on which locks or the shared memory of the write-ahead log cannot be relied on.
const NETWORK: [&str; 18] = [
    "9p",
    "lustre",
    "fuse.gcsfuse",
    "fuse.rclone",
    "nfs",
    "nfs4",
    "cifs",
    "smb2",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.blobfuse",
    "fuse.blobfuse2",
    "fuse.s3fs",
];

/// Makes the file if it is not there, readable by its owner only, and gives its one true name. A file
/// that is there is not opened: closing it would take SQLite's locks away from this whole process.
pub(super) fn create(path: &Path) -> Result<PathBuf, OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {
            let found = existing(path)?;
            keep_name(&found).map_err(|e| cannot_open(path, &e.to_string()))?;
            Ok(found)
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => existing(path),
        Err(e) => {
            Err(cannot_open(path, &format!("{e}; look whether its folder exists and riposte's user may write there")))
        }
    }
}

/// Without this a new file can be gone after a power cut, though its content was flushed.
pub(super) fn keep_name(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The one true name of a file that must be there.
pub(super) fn existing(path: &Path) -> Result<PathBuf, OpenError> {
    let found = path.canonicalize().map_err(|e| {
        cannot_open(
            path,
            &format!("{e}; `riposte run` makes the journal, and [journal] sqlite in the settings names it"),
        )
    })?;
    if found.is_dir() {
        return Err(cannot_open(
            path,
            "it is a folder; [journal] sqlite in the settings names a file, which lies in one",
        ));
    }
    local(&mounts(), &found)?;
    Ok(found)
}

/// Whether a journal could be made at a path where there is none. Nothing is made.
pub(super) fn could_be_made(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |cause: &str| cannot_open(path, &format!("the folder {} {cause}", folder.display()));
    let found = folder.canonicalize().map_err(|e| cannot(&format!("cannot be used: {e}; make it, or name another")))?;
    if !found.is_dir() {
        return Err(cannot("is none; name another"));
    }
    local(&mounts(), &found)?;
    if may_write(&found) { Ok(()) } else { Err(cannot("cannot be written; give riposte's user the right to")) }
}

/// Whether whoever runs this may write there.
fn may_write(folder: &Path) -> bool {
    #[cfg(unix)]
    return rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    #[cfg(not(unix))]
    folder.metadata().is_ok_and(|found| !found.permissions().readonly())
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// Refuses a network file system.
fn local(mounts: &str, path: &Path) -> Result<(), OpenError> {
    match file_system(mounts, path) {
        Some(kind) if NETWORK.contains(&kind) => Err(cannot_open(
            path,
            &format!("it lies on a network file system ({kind}), where a journal is not safe; put it on a local disk"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// That this process is the only owner.
pub(super) struct Lock {
    pub(super) file: File,
    pub(super) name: PathBuf,
}

impl Lock {
    /// Whether others still meet it: a lock whose file was removed keeps nobody away.
    pub(super) fn is_met(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let of = |found: std::fs::Metadata| (found.dev(), found.ino());
            match (self.name.metadata(), self.file.metadata()) {
                (Ok(met), Ok(ours)) => of(met) == of(ours),
                (Err(error), _) => error.kind() != ErrorKind::NotFound,
                (Ok(_), Err(_)) => true,
            }
        }
        #[cfg(not(unix))]
        true
    }
}

/// Becomes the only owner, until the file is closed or the process dies.
pub(super) fn lock(path: &Path, boot: BootId) -> Result<Lock, OpenError> {
    let name = beside(path, ".lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(|e| cannot_open(&name, &format!("{e}; give riposte's user the right to write it")))?;
    match patiently(|| file.try_lock()) {
        Ok(()) => {
            let sign = format!("process {}, boot {boot}", std::process::id());
            file.set_len(0)
                .and_then(|()| file.write_all(sign.as_bytes()))
                .map_err(|e| cannot_open(&name, &e.to_string()))?;
            Ok(Lock { file, name })
        }
        Err(TryLockError::WouldBlock) => Err(cannot_open(
            path,
            &format!(
                "another riposte works on it ({}); stop that one first, or give this one a journal of its own",
                sign_of(&mut file)
            ),
        )),
        Err(TryLockError::Error(e)) => {
            Err(cannot_open(&name, &format!("{e}; locks must work where the journal lies: put it on a local disk")))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file lock has no way to be waited for with a limit")]
/// Whoever only looks whether it is taken has it for less than this.
fn patiently(mut attempt: impl FnMut() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let mut tries = 0;
    loop {
        match attempt() {
            Err(TryLockError::WouldBlock) if tries < LOOKERS => tries += 1,
            answer => return answer,
        }
        std::thread::sleep(MOMENT);
    }
}

/// The file beside a journal that has its name and this end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

pub(super) fn cannot_open(path: &Path, cause: &str) -> OpenError {
    OpenError::Unusable(Fault { what: format!("cannot use {}", path.display()), cause: cause.to_owned() })
}

fn sign_of(file: &mut File) -> String {
    let mut sign = String::new();
    match file.take(200).read_to_string(&mut sign) {
        Ok(read) if read > 0 => clip(&sign, 100),
        Ok(_) | Err(_) => "it has not said which".to_owned(),
    }
}

/// The kind of the file system that holds a path, from Linux' `/proc/self/mountinfo`: the mount with
/// the longest matching mount point, the later one of two equal.
fn file_system<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else { continue };
        let point = point.replace("\\040", " ");
        if path.starts_with(&point) && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /mnt/share rw - cifs //server/share rw
41 22 0:41 / /mnt/my\\040share rw - nfs4 server:/x rw
";

    #[test]
    fn a_lock_that_somebody_has_for_a_moment_is_waited_for_and_one_that_is_kept_is_not() {
        let taken = |for_tries: u32| {
            let mut left = for_tries;
            patiently(|| {
                left = left.saturating_sub(1);
                if left > 0 { Err(TryLockError::WouldBlock) } else { Ok(()) }
            })
        };
        assert!(taken(3).is_ok());
        assert!(matches!(taken(1_000), Err(TryLockError::WouldBlock)));
    }

    #[test]
    fn the_nearest_mount_decides() {
        for (path, kind) in [
            ("/var/riposte.db", "ext4"),
            ("/mnt/share/riposte.db", "cifs"),
            ("/mnt/my share/r.db", "nfs4"),
            ("/mnt/shared", "ext4"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(path)), Some(kind), "{path}");
        }
        assert_eq!(file_system("", Path::new("/x")), None);
    }

    #[test]
    fn a_network_file_system_is_refused_with_what_to_do() {
        assert!(local(MOUNTS, Path::new("/var/riposte.db")).is_ok());
        for (path, kind) in [("/mnt/share/riposte.db", "cifs"), ("/mnt/my share/r.db", "nfs4")] {
            let fault = local(MOUNTS, Path::new(path)).unwrap_err().to_string();
            assert!(fault.contains(path) && fault.contains(kind), "{fault}");
            assert!(fault.contains("put it on a local disk"), "{fault}");
        }
    }

    #[test]
    fn a_missing_folder_is_named_with_what_to_do() {
        let fault = create(Path::new("/nowhere/at/all/riposte.db")).unwrap_err();
        assert!(fault.to_string().contains("/nowhere/at/all/riposte.db"), "{fault}");
        assert!(fault.to_string().contains("look whether its folder exists"), "{fault}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = create(&folder.path().join("riposte.db")).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
