//! dracut's module, run by bash with stand-ins for what dracut defines.

use std::process::Command;

use crate::initramfs::builder::Builder;

/// What `check()` of our module returns.
fn check(setting: &str) -> i32 {
    let mut files = Builder::Dracut.files().iter();
    let module = files.find(|file| file.path.ends_with("module-setup.sh")).unwrap();
    let script = format!("require_binaries() {{ :; }}\n{setting}\n{}\ncheck\n", module.content);
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    output.status.code().unwrap()
}

/// The kernel that saves the memory of a crashed one is to do that and nothing else. Its image is built with `--add kdumpbase`.
#[test]
fn an_image_for_kdump_gets_no_claim() {
    assert_eq!(check("add_dracutmodules=' network-manager '"), 0);
    assert_eq!(check("add_dracutmodules=' kdumpbase squash '"), 1);
    assert_eq!(check("force_add_dracutmodules=kdumpbase"), 1);
    assert_eq!(check("mount_needs=1"), 1);
}
