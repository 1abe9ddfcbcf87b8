//! The vendors' own SDKs against the lab, in a process of theirs: see `tests/sdk/check.py`.

use std::process::Command;

use super::parts::part;

#[test]
fn the_vendors_own_sdks_can_use_the_lab() {
    let what = "a Python with the packages of tests/sdk/requirements.txt";
    let Some(python) = part("RIPOSTE_SDK_PYTHON", what) else { return };
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/check.py");
    let ended = Command::new(python).arg(check).arg(env!("CARGO_BIN_EXE_riposte")).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}\n{complained}");
}
