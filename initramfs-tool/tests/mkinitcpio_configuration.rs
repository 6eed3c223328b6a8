//! The file that is laid beside mkinitcpio's configuration, run by bash as mkinitcpio runs it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::process::Command;

/// The words of `HOOKS` behind our file, as mkinitcpio makes them of an array, or of a text by splitting that at white space.
fn hooks(configuration: &str) -> Vec<String> {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/mkinitcpio/conf.d/zz-reseat.conf");
    let script = format!(
        "set -e\n{configuration}\n. {ours}\nset -f\n[[ ${{HOOKS@a}} == *a* ]] || HOOKS=($HOOKS)\nprintf '%s\\n' \
         \"${{HOOKS[@]}}\"\n"
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{configuration}: {said}");
    said.lines().map(str::to_owned).collect()
}

/// A hook that got lost may be the one that opens the disk.
#[test]
fn no_hook_of_the_users_gets_lost_however_they_are_written() {
    for configuration in [
        "HOOKS=(base udev block 'filesystems')",
        "HOOKS=(base # first\n  udev\n  block filesystems\n)",
        "HOOKS=\"base udev block filesystems\"",
        "HOOKS=\" base\tudev  block filesystems \"",
        "HOOKS=\"base udev\n  block filesystems\n\"",
        "HOOKS=(base reseat udev block filesystems)",
    ] {
        let expected = ["base", "reseat", "udev", "block", "filesystems"];
        assert_eq!(hooks(configuration), expected, "{configuration}");
    }
    let systemd = hooks("HOOKS='systemd\nsd-encrypt\nblock'");
    assert_eq!(systemd, ["systemd", "sd-reseat", "sd-encrypt", "block"]);
    // What bash would make of a star is not what the user has written.
    assert_eq!(hooks("HOOKS='udev *'"), ["reseat", "udev", "*"]);
}
